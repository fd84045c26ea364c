# What is mounted beside the closure: the system's file systems, and the binds that a definition asks for.
{ definition, defaults, fail, fileMounts }:
let
  inherit (builtins) any attrNames concatLists concatStringsSep elem filter head map stringLength substring;

  mounts = definition.mounts or { };
  destinations = attrNames mounts;

  # As the kind `bind` of the program has them. Of each row one holds: the first, unless another is written.
  rows = [
    [ "rbind" "bind" ]
    [ "rprivate" "private" "rslave" "slave" "rshared" "shared" ]
    [ "rw" "ro" ]
  ];
  known = concatLists rows ++ [ "nosuid" "nodev" "noexec" ];

  toOptions = destination:
    let
      written = mounts.${destination}.options or [ ];
      unknown = filter (option: !(elem option known)) written;
      chosen = map (row: head (filter (option: elem option written) row ++ row)) rows;
      # Read-only also what is mounted below; there is nothing below a file.
      recursive = elem "ro" chosen && elem "rbind" chosen && !(elem destination fileMounts);
    in
    if unknown != [ ] then fail ''mounts."${destination}".options'' "unknown: ${concatStringsSep ", " unknown}"
    else chosen
      ++ (if recursive then [ "rro" ] else [ ])
      ++ [ "nosuid" "nodev" ]
      ++ filter (option: option == "noexec") written;

  toMount = destination:
    let mount = mounts.${destination}; in
    if mount.type or "bind" != "bind" then fail ''mounts."${destination}".type'' "a bundle can have binds only"
    else if !(mount ? source) then fail ''mounts."${destination}"'' "it has no source"
    else { inherit destination; type = "bind"; source = mount.source; options = toOptions destination; };

  own = map toMount destinations;

  isBelow = path: folder: path == folder || substring 0 (stringLength folder + 1) path == "${folder}/";
  isHidden = mount: any (isBelow mount.destination) destinations;

  propagation = kinds: any (mount: any (option: elem option kinds) mount.options) own;
in
{
  inherit own;
  system = filter (mount: !(isHidden mount)) (defaults.config.mounts ++ defaults.scratchMounts);
  # Under a private root no mount is shared with the host, nor follows it; mount_namespaces(7).
  rootfsPropagation =
    if propagation [ "shared" "rshared" ] then "shared"
    else if propagation [ "slave" "rslave" ] then "slave"
    else null;
}
