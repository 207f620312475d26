import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import "./app.css";

interface ServerInfo {
  version?: string;
  store?: string;
  unfinishedTasks?: string;
  queues?: string;
}

async function getServerInfo(): Promise<ServerInfo> {
  const response = await fetch("/treadle.v1.AdminService/GetServerInfo", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: "{}",
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer.server;
}

function Overview() {
  const [info, setInfo] = useState<ServerInfo>();
  const [error, setError] = useState("");
  useEffect(() => {
    getServerInfo().then(setInfo, (reason) => setError(String(reason)));
  }, []);
  if (error) return <p role="alert">{error}</p>;
  if (!info) return <p>…</p>;
  return (
    <p>
      treadle-server {info.version}, {info.store} store, {info.unfinishedTasks ?? "0"} unfinished
      tasks in {info.queues ?? "0"} queues
    </p>
  );
}

createRoot(document.getElementById("app")!).render(<Overview />);
