#!/usr/bin/env bash
# Has TypeScript check the dashboard. NODE_PATH is where its packages are, and those with the types
# of React and Chart.js.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=$NODE_PATH/node_modules
config=$(mktemp --suffix=.json)
trap 'rm -f "$config"' EXIT
cat >"$config" <<END
{
  "extends": "$PWD/server/dashboard/tsconfig.json",
  "compilerOptions": {
    "baseUrl": "$packages",
    "paths": { "*": ["@types/*", "*"] }
  },
  "include": ["$PWD/server/dashboard/**/*.ts", "$PWD/server/dashboard/**/*.tsx"]
}
END
"$packages/.bin/tsc" --noEmit --project "$config"
