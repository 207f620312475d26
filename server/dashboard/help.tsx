import { Dialog } from "./dialog";
import type { Key } from "./keyboard";

const ALWAYS = [
  { keys: "Enter", does: "open the row" },
  { keys: "Ctrl K", does: "go to a page, a queue, a worker or a task" },
  { keys: "Escape", does: "close a dialog, leave a field" },
];

export function Help({ keys, onClose }: { keys: Key[]; onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {[...keys, ...ALWAYS].map(({ keys: pressed, does }) => (
          <div key={pressed}>
            <dt>
              {pressed.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div className="dialog-buttons">
        <button type="button" className="primary" onClick={onClose} autoFocus>
          Close
        </button>
      </div>
    </Dialog>
  );
}
