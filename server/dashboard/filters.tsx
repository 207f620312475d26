// What narrows a list that is all here. It is kept in the address.
import { useQuery } from "./routing";

export function FilterBox({ label }: { label: string }) {
  const [query, changeQuery] = useQuery();
  return (
    <input
      type="search"
      className="filter"
      aria-label={label}
      placeholder={label}
      spellCheck={false}
      autoComplete="off"
      value={query.get("filter") ?? ""}
      onChange={(event) => changeQuery({ filter: event.target.value, page: undefined }, true)}
    />
  );
}

export function OnlyChoice({ label, choices }: { label: string; choices: string[] }) {
  const [query, changeQuery] = useQuery();
  return (
    <label className="choice-box">
      <span>{label}</span>
      <select
        value={query.get("only") ?? ""}
        onChange={(event) => changeQuery({ only: event.target.value, page: undefined })}
      >
        <option value="">all</option>
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    </label>
  );
}
