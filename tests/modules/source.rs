//! What the files of a crate import from each other, read from their tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One module: a file, or a part of one.
#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    imports: Vec<Import>,
    /// What is defined here.
    names: BTreeSet<String>,
    /// Paths in bodies and signatures.
    paths: Vec<Vec<String>>,
    /// Every word outside imports.
    words: BTreeSet<String>,
}

struct Import {
    path: Vec<String>,
    /// The name that it has here; `*` for everything.
    name: String,
    /// Whether it is there for others.
    exported: bool,
}

/// The modules of a crate. Tests are left out: they may look at anything.
pub(crate) struct Source<'r> {
    modules: Vec<Module>,
    read: &'r dyn Fn(&str) -> Option<String>,
}

/// Which file needs which others, each with the path that says so.
pub(crate) type Needs = BTreeMap<String, BTreeMap<String, String>>;

impl<'r> Source<'r> {
    /// The crate whose first file is `lib.rs` or `main.rs`; `read` gives a file by its path from there.
    pub(crate) fn read(first: &str, read: &'r dyn Fn(&str) -> Option<String>) -> Self {
        let mut source = Self { modules: vec![], read };
        source.file(first, None, "");
        source
    }

    fn file(&mut self, path: &str, parent: Option<usize>, folder: &str) -> usize {
        let text = (self.read)(path).unwrap_or_else(|| panic!("{path} is missing"));
        let tokens = TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let index = self.modules.len();
        self.modules.push(Module { file: path.to_owned(), parent, ..Module::default() });
        self.items(&tokens.into_iter().collect::<Vec<_>>(), index, folder);
        index
    }

    fn items(&mut self, tokens: &[TokenTree], module: usize, folder: &str) {
        let (mut at, mut exported, mut placed) = (0, false, None);
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Punct(sign) if sign.as_char() == '#' => {
                    at += 1 + usize::from(is(tokens.get(at + 1), "!"));
                    let attribute = tokens.get(at).map_or_else(String::new, ToString::to_string);
                    at += 1;
                    if attribute.contains("cfg") && words(&attribute).any(|word| word == "test") {
                        at = after_item(tokens, at);
                    } else if let Some(path) = attribute.strip_prefix("[path = \"") {
                        placed = path.split('"').next().map(str::to_owned);
                    }
                    continue;
                }
                TokenTree::Ident(word) if word == "pub" => {
                    exported = true;
                    at += 1;
                    at += usize::from(
                        matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis),
                    );
                    continue;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    let name = tokens[at + 1].to_string();
                    let inside = format!("{folder}{name}/");
                    let child = match tokens.get(at + 2) {
                        Some(TokenTree::Group(body)) => {
                            let index = self.modules.len();
                            let file = self.modules[module].file.clone();
                            self.modules.push(Module { file, parent: Some(module), ..Module::default() });
                            self.items(&body.stream().into_iter().collect::<Vec<_>>(), index, &inside);
                            index
                        }
                        _ => {
                            let places = [format!("{folder}{name}.rs"), format!("{inside}mod.rs")];
                            let place = placed.map(|path: String| format!("{folder}{path}"));
                            let place = place.or(places.into_iter().find(|path| (self.read)(path).is_some()));
                            let place = place.unwrap_or_else(|| panic!("no file for the module {folder}{name}"));
                            self.file(&place, Some(module), &inside)
                        }
                    };
                    self.modules[module].children.insert(name, child);
                    at += 3;
                }
                TokenTree::Ident(word) if word == "use" => {
                    let end = at + tokens[at..].iter().position(|it| is(Some(it), ";")).expect("`use` ends");
                    let mut found = vec![];
                    tree(&tokens[at + 1..end], &[], &mut found);
                    let imports = found.into_iter().map(|(path, name)| Import { path, name, exported });
                    self.modules[module].imports.extend(imports);
                    at = end + 1;
                }
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    if ["struct", "enum", "union", "trait", "fn", "type", "const", "static"].contains(&&*word) {
                        let name = tokens[at + 1..].iter().find(|it| !is(Some(it), "mut")).map(ToString::to_string);
                        self.modules[module].names.extend(name);
                    }
                    at += self.path(tokens, at, module);
                    if !["unsafe", "async", "const", "extern"].contains(&&*word) {
                        exported = false;
                    }
                    continue;
                }
                TokenTree::Group(group) => {
                    self.body(&group.stream(), module);
                    at += 1;
                    continue;
                }
                _ => {
                    at += 1;
                    continue;
                }
            }
            (exported, placed) = (false, None);
        }
    }

    fn body(&mut self, tokens: &TokenStream, module: usize) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(_) => at += self.path(&tokens, at, module),
                TokenTree::Group(group) => {
                    self.body(&group.stream(), module);
                    at += 1;
                }
                // In a macro, `$crate::…` is the crate that calls it.
                TokenTree::Punct(sign) if sign.as_char() == '$' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// Notes the path that begins here, and says how many tokens it takes.
    fn path(&mut self, tokens: &[TokenTree], at: usize, module: usize) -> usize {
        let start = tokens[at].to_string();
        self.modules[module].words.insert(start.clone());
        let mut path = vec![start];
        let mut length = 1;
        while is(tokens.get(at + length), ":") && is(tokens.get(at + length + 1), ":") {
            match tokens.get(at + length + 2) {
                Some(TokenTree::Ident(next)) => {
                    path.push(next.to_string());
                    length += 3;
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let mut found = vec![];
                    tree(&group.stream().into_iter().collect::<Vec<_>>(), &path, &mut found);
                    self.modules[module].paths.extend(found.into_iter().map(|(path, _)| path));
                    return length + 3;
                }
                _ => break,
            }
        }
        if path.len() > 1 {
            self.modules[module].paths.push(path);
        }
        length
    }

    /// The module where what is named by this path lives, and whether the way there led through what the first file exports.
    fn place(&self, from: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let (first, rest) = path.split_first()?;
        if depth > 20 {
            return None;
        }
        match &**first {
            "crate" => self.inside(0, rest, depth),
            "self" => self.inside(from, rest, depth),
            "super" => self.inside(self.modules[from].parent?, rest, depth),
            name if self.modules[from].children.contains_key(name) => self.inside(from, path, depth),
            name => {
                let import = self.modules[from].imports.iter().find(|import| import.name == name)?;
                let whole: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                if whole == path { None } else { self.place(from, &whole, depth + 1) }
            }
        }
    }

    fn inside(&self, module: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let here = &self.modules[module];
        let Some((first, rest)) = path.split_first() else { return Some((module, false)) };
        if first == "super" {
            return self.inside(here.parent?, rest, depth);
        }
        if let Some(child) = here.children.get(first) {
            return self.inside(*child, rest, depth);
        }
        if !here.names.contains(first) {
            let named = here.imports.iter().find(|import| import.name == *first);
            let all = here.imports.iter().filter(|import| import.name == "*");
            for import in named.into_iter().chain(all) {
                let tail = if import.name == "*" { path } else { rest };
                let whole: Vec<String> = import.path.iter().chain(tail).cloned().collect();
                if let Some((found, through)) = self.place(module, &whole, depth + 1) {
                    let defines = self.modules[found].names.contains(first) || import.name != "*";
                    if defines {
                        return Some((found, through || module == 0));
                    }
                }
            }
        }
        Some((module, false))
    }

    /// What each file needs of the others, and what is imported through the first file although it lives elsewhere.
    pub(crate) fn needs(&self) -> (Needs, Vec<String>) {
        let (mut needs, mut through) = (Needs::new(), vec![]);
        for (index, module) in self.modules.iter().enumerate() {
            let used = |import: &&Import| !import.exported || module.words.contains(&import.name);
            let imports = module.imports.iter().filter(used).map(|import| &import.path);
            for path in imports.chain(&module.paths) {
                let Some((target, indirect)) = self.place(index, path, 0) else { continue };
                let (file, text) = (&self.modules[target].file, path.join("::"));
                if indirect && index != 0 && ["crate", "super"].contains(&&*path[0]) {
                    through.push(format!("{}: {text} lives in {file}", module.file));
                }
                let needed = needs.entry(module.file.clone()).or_default();
                if *file != module.file {
                    needed.entry(file.clone()).or_insert(text);
                }
            }
        }
        through.sort();
        through.dedup();
        (needs, through)
    }
}

fn is(token: Option<&TokenTree>, sign: &str) -> bool {
    token.is_some_and(|token| token.to_string() == sign)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Where the item that begins here is over.
fn after_item(tokens: &[TokenTree], start: usize) -> usize {
    let imports = tokens[start..].iter().take(3).any(|token| is(Some(token), "use"));
    for (at, token) in tokens.iter().enumerate().skip(start) {
        let body = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is(Some(token), ";") || (body && !imports) {
            return at + 1;
        }
    }
    tokens.len()
}

/// The paths of a tree of imports, each with the name that it gives.
fn tree(tokens: &[TokenTree], before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    for branch in tokens.split(|token| is(Some(token), ",")).filter(|branch| !branch.is_empty()) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut rest = branch.iter();
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Group(group) => {
                    tree(&group.stream().into_iter().collect::<Vec<_>>(), &path, found);
                    path.clear();
                    break;
                }
                TokenTree::Ident(word) if word == "as" => name = rest.next().map(ToString::to_string),
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(sign) if sign.as_char() == '*' => name = Some("*".to_owned()),
                _ => {}
            }
        }
        if let Some(last) = path.last().cloned() {
            found.push((path, name.unwrap_or(last)));
        }
    }
}
