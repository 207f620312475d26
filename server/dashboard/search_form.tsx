// A box for a search in the broker's words (server/search.md). It is asked when Enter is pressed:
// half a word is a mistake.
import { type FormEvent, type ReactNode, type RefObject, useEffect, useId, useState } from "react";

import { completionsOf } from "./search";

interface Props {
  label: string;
  placeholder: string;
  className: string;
  // What is shown now.
  asked: string;
  onSearch: (text: string) => void;
  input?: RefObject<HTMLInputElement>;
  children?: ReactNode;
}

export function SearchForm(props: Props) {
  const { label, placeholder, className, asked, onSearch, input, children } = props;
  const [text, type] = useState(asked);
  useEffect(() => type(asked), [asked]);
  const list = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return (
    <form role="search" aria-label={label} className={className} onSubmit={submit}>
      <input
        ref={input}
        type="search"
        aria-label={label}
        placeholder={placeholder}
        spellCheck={false}
        autoComplete="off"
        list={list}
        value={text}
        onChange={(event) => type(event.target.value)}
      />
      {children}
      <datalist id={list}>
        {completionsOf(text).map((completed) => (
          <option key={completed} value={completed} />
        ))}
      </datalist>
    </form>
  );
}
