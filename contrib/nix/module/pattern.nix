# A pattern of JSON Schema as a function: whether a text has it. Nix has POSIX' extended regular expressions, for whole
# texts and without a look ahead or back; what it cannot test it lets pass, for the agent tests it again. (That is one
# part of one pattern: that no letter stands twice in a device's `access`.)
pattern:
let
  inherit (builtins)
    all any elemAt filter genList isString length map match replaceStrings split stringLength substring;

  # Longer texts pass: the library tests by recursion, and what has a pattern is short.
  longest = 4096;

  # NUL is in no text of Nix.
  toPosix = replaceStrings
    [ "(?:" "[^\\u0000]" "\\u0000" "[\\s\\S]" "\\S" "\\]" ]
    [ "(" "." "" "." "[^[:space:]]" "]" ];

  toTest = text: whole:
    let posix = toPosix text; in
    if match ".*\\(\\?.*|.*\\\\[1-9].*" posix != null then null
    else value: match (if whole then posix else "(${posix}).*") value != null;

  from = index: text: substring index (-1) text;
  startsWith = prefix: text: substring 0 (stringLength prefix) text == prefix;

  # The index of the parenthesis that closes the one of `depth` 1.
  findClosing = text: index: depth:
    let character = substring index 1 text; in
    if character == "\\" then findClosing text (index + 2) depth
    else if character == "(" then findClosing text (index + 1) (depth + 1)
    else if character != ")" then findClosing text (index + 1) depth
    else if depth > 1 then findClosing text (index + 1) (depth - 1)
    else index;

  # What has to hold for an alternative: each look ahead, and what it ends with.
  toTests = text:
    if startsWith "^(?=" text || startsWith "^(?!" text then
      let
        closing = findClosing text 4 1;
        test = toTest (substring 4 (closing - 4) text) false;
        wanted = startsWith "^(?=" text;
      in
      [ (if test == null then null else value: test value == wanted) ] ++ toTests ("^" + from (closing + 1) text)
    else
      let
        end = stringLength text - 1;
        whole = substring end 1 text == "$";
      in
      if startsWith "^" text then [ (toTest (substring 1 (if whole then end - 1 else end) text) whole) ]
      else [ (toTest ".*(${text})" false) ];

  # A|B where both are of whole texts.
  parts = filter isString (split "\\$\\|\\^" pattern);
  toAlternative = index:
    (if index == 0 then "" else "^") + elemAt parts index + (if index == length parts - 1 then "" else "$");
  alternatives = map toTests (genList toAlternative (length parts));
in
value: stringLength value > longest || any (all (test: test == null || test value)) alternatives
