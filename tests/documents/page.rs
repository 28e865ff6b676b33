//! One Markdown page: its links, its headings and its blocks of code.

use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// A block of code.
pub struct Block {
    /// The line of its first fence.
    pub line: usize,
    /// What stands behind the fence, such as `rust,no_run`.
    pub info: String,
    /// What is between the fences.
    pub code: String,
    /// The file that a comment before the block names, with an anchor behind `#`.
    pub file: Option<String>,
}

impl Block {
    /// Whether it is Rust, as rustdoc and mdBook see it.
    pub fn is_rust(&self) -> bool {
        self.info.split(',').any(|word| word == "rust")
    }

    /// Whether it is only shown: neither compiled nor meant to.
    pub fn is_ignored(&self) -> bool {
        self.info.split(',').any(|word| word == "ignore")
    }
}

/// A page.
pub struct Page {
    /// Its path below the repository.
    pub path: PathBuf,
    /// What it links to, each with its line.
    pub links: Vec<(usize, String)>,
    /// Where its headings can be linked to.
    pub anchors: Vec<String>,
    /// Its blocks of code.
    pub blocks: Vec<Block>,
    /// What it includes, each with its line.
    pub includes: Vec<(usize, String)>,
}

impl Page {
    /// Reads a page.
    pub fn read(root: &Path, path: &Path) -> Self {
        let text =
            std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::of(path, &text)
    }

    /// The page with this text.
    pub fn of(path: &Path, text: &str) -> Self {
        let inline = Regex::new(r"\]\(([^()\s]+)\)").unwrap();
        let reference = Regex::new(r"^\[[^\]]+\]:\s+(\S+)").unwrap();
        let include = Regex::new(r"\{\{#include\s+([^}]+)\}\}").unwrap();
        let named = Regex::new(r"^<!-- file: (\S+) -->$").unwrap();
        let span = Regex::new(r"`[^`]*`").unwrap();
        let mut page = Self {
            path: path.to_owned(),
            links: Vec::new(),
            anchors: Vec::new(),
            blocks: Vec::new(),
            includes: Vec::new(),
        };
        let (mut open, mut file) = (None::<Block>, None);
        for (line, text) in (1..).zip(text.lines()) {
            page.includes.extend(include.captures_iter(text).map(|found| (line, found[1].trim().to_owned())));
            if let Some(info) = text.trim_start().strip_prefix("```") {
                if let Some(block) = open.take() {
                    page.blocks.push(block);
                } else {
                    let info = info.trim().to_owned();
                    open = Some(Block { line, info, code: String::new(), file: file.take() });
                }
            } else if let Some(block) = &mut open {
                block.code.push_str(text);
                block.code.push('\n');
            } else {
                if let Some(found) = named.captures(text) {
                    file = Some(found[1].to_owned());
                }
                if let Some(heading) = text.strip_prefix('#') {
                    page.anchors.push(slug(heading.trim_start_matches('#')));
                }
                let prose = span.replace_all(text, "");
                let found = inline.captures_iter(&prose).chain(reference.captures_iter(&prose));
                page.links.extend(found.map(|found| (line, found[1].to_owned())));
            }
        }
        assert!(open.is_none(), "{}: a block of code has no end", path.display());
        page
    }
}

/// How GitHub and mdBook name a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

#[test]
fn a_page_is_taken_apart() {
    let text = "# To `rewind`, a step\n[a](b.md#c) `[not](this)`\n[x]: y.md\n<!-- file: m.rs#all -->\n```rust,no_run\n[no](link)\n```\n{{#include z.rs:one}}\n";
    let page = Page::of(Path::new("p.md"), text);
    assert_eq!(page.links, [(2, "b.md#c".to_owned()), (3, "y.md".to_owned())]);
    assert_eq!(page.anchors, ["to-rewind-a-step"]);
    assert_eq!(page.includes, [(8, "z.rs:one".to_owned())]);
    let block = &page.blocks[0];
    assert!(block.is_rust() && !block.is_ignored());
    assert_eq!((block.line, &*block.code, block.file.as_deref()), (5, "[no](link)\n", Some("m.rs#all")));
}
