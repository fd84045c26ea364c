# An OCI bundle as a derivation: config.json, and rootfs with little more than mount points. The closure of what the
# container names is mounted from the store, path by path; nothing is copied, unless `copy` is true.
#
# It is called as ociTools.buildContainer is, or with further fields of a definition.
#
# system, shell, tools: of the build, a POSIX shell and the folder or folders of mkdir, ln, readlink, cp and cat.
# containerShell: what runs `cmd` inside.
{ system, shell, tools, containerShell ? shell }:
{
  # That of the derivation, and of the host inside unless `hostname` says otherwise.
  name ? "container"
  # Whether it has a copy of the closure, and needs no store where it runs.
, copy ? false
  # Which of `mounts` are of a file that is not in the store. What is outside of it cannot be looked at: a folder is
  # expected.
, fileMounts ? [ ]
, ...
}@arguments:
let
  inherit (builtins)
    attrNames concatLists concatStringsSep elem filter fromJSON map match readFile removeAttrs storeDir stringLength
    substring toJSON;

  fail = message: throw "buildContainer: ${message}";
  make = import ./make.nix { inherit system shell tools; };
  write = what: text: "${make "${name}-${what}" { files = { inherit text; }; } ''cp "$textPath" "$out"''}";

  container = import ./container.nix { inherit fail system; }
    (import ../../../orchestrator/nix/definition.nix (removeAttrs arguments [ "name" "copy" "fileMounts" ]));
  script = [ (container.shell or containerShell) (write "cmd" "${container.cmd}\n") ];
  definition = removeAttrs container [ "cmd" "shell" ] // (if container ? cmd then { args = script; } else { });

  config = import ./oci/config.nix { inherit name definition fileMounts; };
  accounts = import ./accounts.nix config.user;
  defaults = fromJSON (readFile ../defaults.json);

  # It names all that the container names, so its closure is the container's.
  references = write "references" (toJSON definition);

  # Of each, something that its source is like: itself, if it is in the store.
  isStored = path: substring 0 (stringLength storeDir + 1) path == "${storeDir}/";
  toPoint = destination:
    let source = definition.mounts.${destination}.source; in
    if elem destination fileMounts then [ references destination ]
    else if isStored source then [ source destination ]
    else toFolder destination;
  toFolder = destination: [ storeDir destination ];
  # Those of the system that are below others are made by the runtime.
  points = map toPoint (attrNames (definition.mounts or { }))
    ++ map toFolder (filter (path: match "/[^/]+" path != null) config.systemMounts)
    ++ map toFolder (filter (path: path != "/") [ (definition.cwd or "/") ]);
in
make name {
  files = {
    inherit (config) before after;
    inherit (accounts) passwd group nsswitch;
    points = concatStringsSep "" (map (line: "${line}\n") (concatLists points));
  };
  bindOptions = toJSON defaults.bindOptions;
  copy = if copy then "1" else "";
  packages = concatStringsSep " " (definition.packages or [ ]);
  exportReferencesGraph = [ "closure" references ];
  inherit references;
} ". ${./bundle.sh}"
