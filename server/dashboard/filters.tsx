// What narrows a list. It is kept in the address.
import { useQuery } from "./routing";
import { SearchForm } from "./search_form";

// In the broker's words, for a list that only the broker has whole.
export function WordsBox({ label, placeholder }: { label: string; placeholder: string }) {
  const [query, changeQuery] = useQuery();
  return (
    <SearchForm
      label={label}
      placeholder={placeholder}
      className="filters words"
      asked={query.get("filter") ?? ""}
      onSearch={(filter) => changeQuery({ filter, after: undefined })}
    />
  );
}

// For a list that is all here.
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
