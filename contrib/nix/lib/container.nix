# A definition that a bundle can be made of, or the mistake that it cannot be.
{ system, fail }:
definition:
let
  inherit (builtins) attrNames concatStringsSep elem elemAt filter match;

  known = [
    "annotations" "arch" "args" "capabilities" "cmd" "cwd" "env" "groups" "hostname" "masked_paths" "mounts" "network"
    "no_new_privileges" "os" "packages" "readonly" "readonly_paths" "rlimits" "shell" "umask" "user"
  ];
  unknown = filter (key: !(elem key known)) (attrNames definition);

  # What Go and OCI call it, and what the kernel and distributions do.
  names = {
    "386" = "i686";
    amd64 = "x86_64";
    arm64 = "aarch64";
    i386 = "i686";
    i586 = "i686";
    loong64 = "loongarch64";
    ppc64le = "powerpc64le";
  };
  parts = match "(.+)-([^-]+)" system;
  arch = elemAt parts 0;
  os = elemAt parts 1;
  isOther = asked: asked != arch && names.${asked} or asked != arch;
in
if unknown != [ ] then
  fail (
    "${concatStringsSep ", " unknown}: not of a bundle. What the agent does with a container (restart, resources, …) "
    + "stands beside `bundle` in its definition; what depends on the host (devices, env_files, …) needs `args` there"
  )
else if definition ? args == definition ? cmd then fail "write args or cmd, one of them"
else if definition.os or "linux" != "linux" || os != "linux" then
  fail "os: a bundle is for linux, and made there: not for ${definition.os or "linux"} on ${os}"
else if definition ? arch && isOther definition.arch then
  fail "arch: it is built for ${arch}, not for ${definition.arch}"
else definition
