// Pages of a list that only the broker has whole: onwards by its tokens, which are in the address;
// back is the browser's.
import { count } from "../format";
import { Link, useQuery } from "../routing";

interface Props {
  next: string;
  // How many the broker has looked at for this page.
  searched: number;
  label: string;
}

export function TokenPager({ next, searched, label }: Props) {
  const [query] = useQuery();
  const after = query.get("after");
  if (!after && !next) return null;
  const page = (token: string) => {
    const target = new URLSearchParams(query);
    if (token) target.set("after", token);
    else target.delete("after");
    return `${location.pathname}?${target}`;
  };
  return (
    <nav className="pager" aria-label={`Pages of ${label}`}>
      {next && <span className="dim">looked at {count(searched)}: go on</span>}
      {after ? <Link href={page("")}>← First page</Link> : <span className="dim">First page</span>}
      {next ? <Link href={page(next)}>Next →</Link> : <span className="dim">Last page</span>}
    </nav>
  );
}
