# A unit file of systemd as tables by section: what stands there once is a string, what stands there more often a list.
text:
let
  inherit (builtins) elemAt filter foldl' isString match split;

  lines = filter (line: isString line && match "[[:space:]]*([#;].*)?" line == null) (split "\n" text);

  add = state: line:
    let
      header = match "\\[(.*)]" line;
      setting = match "([^=]*)=(.*)" line;
      key = elemAt setting 0;
      value = elemAt setting 1;
      section = state.sections.${state.current} or { };
      merged = if section ? ${key} then toList section.${key} ++ [ value ] else value;
    in
    if header != null then state // { current = elemAt header 0; }
    else state // { sections = state.sections // { ${state.current} = section // { ${key} = merged; }; }; };

  toList = value: if isString value then [ value ] else value;
in
(foldl' add { sections = { }; current = ""; } lines).sections
