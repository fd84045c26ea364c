# config.json's `process`, as a text: what runs, as whom, with which rights.
{ name, definition, defaults, fail }:
let
  inherit (builtins)
    attrNames concatStringsSep elemAt filter fromJSON genList head isAttrs isInt listToAttrs map match replaceStrings
    sort stringLength substring toJSON;

  packages = definition.packages or [ ];
  env = {
    HOME = "/";
    HOSTNAME = definition.hostname or name;
    PATH = if packages == [ ] then defaults.path else concatStringsSep ":" (map (package: "${package}/bin") packages);
  } // definition.env or { };

  # By numbers: a bundle has no accounts to look names up in.
  ids = match "(0|[1-9][0-9]*)(:(0|[1-9][0-9]*))?" (definition.user or "0:0");
  uid = if ids == null then fail "user" "write numbers, uid or uid:gid: a bundle has no names" else fromJSON (head ids);
  gid = if elemAt ids 2 == null then 0 else fromJSON (elemAt ids 2);
  toGroup = text:
    if match "0|[1-9][0-9]*" text == null then fail "groups" "write numbers: a bundle has no names" else fromJSON text;
  groups = sort (a: b: a < b) (filter (group: group != gid) (map toGroup (unique (definition.groups or [ ]))));
  unique = texts: attrNames (listToAttrs (map (text: { name = text; value = null; }) texts));

  fromOctal = text:
    let last = stringLength text - 1; in
    if text == "" then 0 else 8 * fromOctal (substring 0 last text) + fromJSON (substring last 1 text);

  rights = import ./capabilities.nix { inherit definition defaults fail uid; };

  process = defaults.config.process // {
    args = definition.args;
    capabilities = rights;
    cwd = definition.cwd or "/";
    env = map (key: "${key}=${env.${key}}") (attrNames env);
    noNewPrivileges = definition.no_new_privileges or true;
    user = { inherit uid gid; umask = fromOctal (definition.umask or "0022"); }
      // (if groups == [ ] then { } else { additionalGids = groups; });
  };

  # By hand, since RLIM_INFINITY is above the largest number of Nix.
  rlimits = definition.rlimits or { };
  toLimit = key:
    let
      limit = if isAttrs rlimits.${key} then rlimits.${key} else { hard = rlimits.${key}; };
      hard = toNumber key limit.hard;
      soft = toNumber key (limit.soft or limit.hard);
    in
    ''{"type":"RLIMIT_${toUpper key}","soft":${soft},"hard":${hard}}'';
  limits = concatStringsSep "," (map toLimit (attrNames rlimits));
  toNumber = key: value:
    if value == "unlimited" then "18446744073709551615"
    else if isInt value then toString value
    else fail "rlimits.${key}" ''write a number or "unlimited"'';
  toUpper = replaceStrings (letters "abcdefghijklmnopqrstuvwxyz") (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  letters = text: genList (index: substring index 1 text) (stringLength text);

  text = toJSON process;
in
{
  user = { inherit uid gid; };
  text = if rlimits == { } then text else ''${substring 0 (stringLength text - 1) text},"rlimits":[${limits}]}'';
}
