// Pages of a list that only the broker has whole: onwards by its tokens, which are in the address;
// back is the browser's.
import { Link, useQuery } from "../routing";

export function TokenPager({ next, label }: { next: string; label: string }) {
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
      {after ? <Link href={page("")}>← First page</Link> : <span className="dim">First page</span>}
      {next ? <Link href={page(next)}>Next →</Link> : <span className="dim">Last page</span>}
    </nav>
  );
}
