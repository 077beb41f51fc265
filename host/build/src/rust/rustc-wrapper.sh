#!/bin/sh
# Cargo calls this in place of the compiler: "$1" is the compiler, the rest its arguments.
#
# Cargo names the symbols of a crate by a hash that holds the absolute path of every crate that it depends on by path, and the
# texts of its panics hold paths too. For crates of the file system both are replaced here, so that the module does not tell in
# which folder it was built. Crates of a registry are compiled as cargo says.

# TRANSOM_PATH_CRATES: folders of the crates of the file system, separated by colons.
case ":$TRANSOM_PATH_CRATES:" in
*":${CARGO_MANIFEST_DIR:-no crate}:"*) ;;
*) exec "$@" ;;
esac

left=$#
while [ "$left" -gt 0 ]; do
    case $1 in
    metadata=*) set -- "$@" "metadata=$CARGO_PKG_NAME-$CARGO_PKG_VERSION" ;;
    *) set -- "$@" "$1" ;;
    esac
    shift
    left=$((left - 1))
done
exec "$@" "--remap-path-prefix=$CARGO_MANIFEST_DIR=/crates/$CARGO_PKG_NAME"
