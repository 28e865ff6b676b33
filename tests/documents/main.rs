//! Links and code in the documentation: each link leads somewhere, and each block of Rust is compiled somewhere. What manifests must not ask for.

mod manifests;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use page::Page;

/// Links to the repository on the web are links to files here.
const ON_THE_WEB: &str = "https://github.com/durable-fsm/durable-fsm/blob/main/";
/// The book. Its pages are copied when it is built, so they cannot link out of it by a relative path.
const BOOK: &str = "docs/book/src";
/// Pages that rustdoc compiles, and where they are included.
const COMPILED: [(&str, &str); 4] = [
    ("README.md", "src/lib.rs"),
    ("docs/derive.md", "src/lib.rs"),
    ("fsm-admin/README.md", "fsm-admin/src/lib.rs"),
    ("fsm-kube/README.md", "fsm-kube/src/lib.rs"),
];
/// Pages of the list above with lines that rustdoc hides and other readers see.
const WITH_HIDDEN_LINES: [&str; 1] = ["docs/derive.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page below a folder of the repository.
fn pages_below(folder: &Path, found: &mut Vec<Page>) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let name = PathBuf::from(entry.unwrap().file_name());
        let (path, text) = (folder.join(&name), name.to_string_lossy());
        if text.starts_with('.') || text == "target" || text == "node_modules" {
            continue;
        }
        if root().join(&path).is_dir() {
            pages_below(&path, found);
        } else if text.ends_with(".md") {
            found.push(Page::read(root(), &path));
        }
    }
}

fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    pages_below(Path::new(""), &mut found);
    assert!(found.len() > 40, "only {} pages were found", found.len());
    found
}

/// A path without `..`, as seen from the folder of a page; none if it leaves the repository.
fn beside(page: &Path, target: &str) -> Option<PathBuf> {
    let mut path = page.parent()?.to_path_buf();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

/// What is wrong with a link; nothing if it leads somewhere, or out of the repository.
fn mistake(page: &Page, link: &str, anchors: &BTreeMap<PathBuf, Vec<String>>) -> Option<String> {
    let is_of_book = page.path.starts_with(BOOK);
    let (target, fragment) = link.split_once('#').map_or((link, None), |(target, fragment)| (target, Some(fragment)));
    let path = match target.strip_prefix(ON_THE_WEB) {
        Some(path) => PathBuf::from(path),
        None if target.contains(':') => return None,
        None if target.is_empty() => page.path.clone(),
        None => match beside(&page.path, target) {
            None => return Some("leaves the repository".to_owned()),
            Some(path) if is_of_book && !path.starts_with(BOOK) => return Some("leaves the book".to_owned()),
            Some(path) => path,
        },
    };
    if !root().join(&path).exists() {
        return Some("leads nowhere".to_owned());
    }
    let is_there = |fragment: &str| anchors.get(&path).is_none_or(|anchors| anchors.iter().any(|it| it == fragment));
    fragment.filter(|it| !is_there(it)).map(|_| format!("finds no such heading in {}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors = pages.iter().map(|page| (page.path.clone(), page.anchors.clone())).collect();
    let mut mistakes = Vec::new();
    for page in &pages {
        for (line, link) in &page.links {
            if let Some(why) = mistake(page, link, &anchors) {
                mistakes.push(format!("{}:{line}: {link} {why}", page.path.display()));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let pages = pages();
    let in_book: BTreeSet<&Path> = pages.iter().map(|page| &*page.path).filter(|path| path.starts_with(BOOK)).collect();
    let summary = Path::new(BOOK).join("SUMMARY.md");
    let page = pages.iter().find(|page| page.path == summary).expect("the book has a summary");
    let listed: Vec<PathBuf> = page.links.iter().filter_map(|(_, link)| beside(&summary, link)).collect();
    let missing: Vec<_> =
        in_book.iter().filter(|path| **path != summary && !listed.iter().any(|it| it == **path)).collect();
    assert!(missing.is_empty(), "not in {}: {missing:?}", summary.display());
}

/// A file, or the part of it between `ANCHOR: name` and `ANCHOR_END: name`, without the lines that mark anchors.
fn part(path: &Path, anchor: Option<&str>) -> Result<String, String> {
    if !root().join(path).is_file() {
        return Err(format!("there is no {}", path.display()));
    }
    let text = read(path);
    let marks = |line: &str, mark: &str, name: &str| line.trim().ends_with(&format!("{mark}: {name}"));
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(anchor) = anchor {
        let begins = lines.iter().position(|line| marks(line, "ANCHOR", anchor));
        let ends = lines.iter().position(|line| marks(line, "ANCHOR_END", anchor));
        let (Some(begins), Some(ends)) = (begins, ends) else {
            return Err(format!("{} has no anchor `{anchor}`", path.display()));
        };
        lines = lines[begins + 1..ends].to_vec();
    }
    lines.retain(|line| !line.contains("ANCHOR: ") && !line.contains("ANCHOR_END: "));
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

#[test]
fn every_include_finds_its_part() {
    let mut mistakes = Vec::new();
    for page in pages() {
        for (line, include) in &page.includes {
            let at = format!("{}:{line}", page.path.display());
            if !page.path.starts_with(BOOK) {
                mistakes.push(format!("{at}: only the book includes"));
                continue;
            }
            let (file, anchor) = include.split_once(':').map_or((&**include, None), |(file, it)| (file, Some(it)));
            match beside(&page.path, file) {
                None => mistakes.push(format!("{at}: {include} leaves the repository")),
                Some(path) => mistakes.extend(part(&path, anchor).err().map(|why| format!("{at}: {why}"))),
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_block_of_rust_is_compiled() {
    for (page, at) in COMPILED {
        let name = Path::new(page).file_name().unwrap().to_string_lossy();
        assert!(read(Path::new(at)).contains(&*name), "{at} does not include {page}");
    }
    let mut mistakes = Vec::new();
    for page in pages() {
        let path = page.path.to_string_lossy().into_owned();
        let is_compiled = COMPILED.iter().any(|(compiled, _)| *compiled == path);
        for block in page.blocks.iter().filter(|block| block.is_rust()) {
            let is_include = block.code.trim().starts_with("{{#include") && block.code.lines().count() == 1;
            let is_copy = block.file.is_some();
            if !is_compiled && !is_include && !is_copy && !block.is_ignored() {
                mistakes.push(format!("{path}:{}: this Rust is not compiled", block.line));
            }
            let is_hidden = |line: &str| line == "#" || line.starts_with("# ");
            if !WITH_HIDDEN_LINES.contains(&&*path) && block.code.lines().any(is_hidden) {
                mistakes.push(format!("{path}:{}: readers on the web see lines that begin with `# `", block.line));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_block_that_names_a_file_shows_that_file() {
    let mut shown = 0;
    for page in pages() {
        for block in &page.blocks {
            let Some(file) = &block.file else { continue };
            let (file, anchor) = file.split_once('#').map_or((&**file, None), |(file, it)| (file, Some(it)));
            let at = format!("{}:{}", page.path.display(), block.line);
            let wanted = part(Path::new(file), anchor).unwrap_or_else(|why| panic!("{at}: {why}"));
            assert!(block.code == wanted, "{at}: this is not what {file} has");
            shown += 1;
        }
    }
    assert!(shown > 0, "no block names a file");
}

#[test]
fn the_comparison_names_every_replayed_bug() {
    let name = |line: &str| line.strip_prefix("fn ").and_then(|line| Some(line.split_once('(')?.0.to_owned()));
    let bugs = read(Path::new("tests/harness/published.rs"));
    let tests: BTreeSet<String> = bugs.split("#[test]\n").skip(1).filter_map(name).collect();
    let page = read(&Path::new(BOOK).join("comparison.md"));
    let missing: Vec<_> = tests.iter().filter(|test| !page.contains(&format!("| `{test}` |"))).collect();
    assert!(tests.len() > 10 && missing.is_empty(), "not in the comparison: {missing:?}");
}
