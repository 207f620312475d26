import { createRoot } from "react-dom/client";

import { App } from "./app";
import "./style/main.css";

createRoot(document.getElementById("app")!).render(<App />);
