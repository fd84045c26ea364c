# passwd(5) and group(5) with no more than who is there: programs ask for the name and the home of their uid.
{ uid, gid }:
let
  inherit (builtins) concatStringsSep map filter;

  isNew = id: id != 0 && id != 65534;
  users = [ "root:x:0:0::/:/bin/sh" ]
    ++ filter (_: isNew uid) [ "app:x:${toString uid}:${toString gid}::/:/bin/sh" ]
    ++ [ "nobody:x:65534:65534::/:/bin/sh" ];
  groups = [ "root:x:0:" ] ++ filter (_: isNew gid) [ "app:x:${toString gid}:" ] ++ [ "nogroup:x:65534:" ];
  lines = texts: concatStringsSep "" (map (text: "${text}\n") texts);
in
{ passwd = lines users; group = lines groups; nsswitch = lines [ "passwd: files" "group: files" "hosts: files dns" ]; }
