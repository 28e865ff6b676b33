//! Bytes: the same for the same input, well-formed, and with nothing in them that a name could bring to life.

use proptest::prelude::*;

use super::holds;
use crate::model::Graph;
use crate::overlay::Overlay;
use crate::{dot, mermaid, svg, terminal};

fn on_pictures(property: impl Fn(&Graph<'_>, Option<&Overlay<'_>>) -> Result<(), TestCaseError>) {
    holds(|machine, position| {
        machine.with(|graph| {
            property(graph, None)?;
            property(graph, Some(&position.overlay()))
        })
    });
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    on_pictures(|graph, live| {
        let all = || {
            [
                svg::inline(graph, live),
                svg::file(graph, live),
                mermaid::folded(graph, live),
                mermaid::flat(graph, live),
                dot::write(graph, live),
                terminal::write(graph, live, &terminal::Options::default()),
            ]
        };
        prop_assert_eq!(all(), all());
        Ok(())
    });
}

#[test]
fn svg_is_well_formed_xml_without_anything_that_acts() {
    on_pictures(|graph, live| {
        for picture in [svg::inline(graph, live), svg::file(graph, live)] {
            prop_assert!(picture.lines().all(|line| !line.trim().is_empty()), "a blank line would end the HTML block");
            let tree = roxmltree::Document::parse(&picture).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let known = ["svg", "style", "marker", "path", "circle", "rect", "text", "tspan", "g", "a", "title", "div"];
            for node in tree.descendants().filter(roxmltree::Node::is_element) {
                prop_assert!(known.contains(&node.tag_name().name()), "element {}", node.tag_name().name());
                for attribute in node.attributes() {
                    prop_assert!(!attribute.name().starts_with("on"), "attribute {}", attribute.name());
                    prop_assert!(attribute.name() != "href" || attribute.value().starts_with("#variant."));
                }
            }
            // No name reaches the style sheet.
            let style = tree.descendants().find(|node| node.tag_name().name() == "style").unwrap();
            prop_assert!(style.text().unwrap().is_ascii());
        }
        Ok(())
    });
}

/// `line` with every quoted string as `""`, if all quotes are closed.
fn unquoted(line: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        out.push(c);
        if c == '"' {
            loop {
                match characters.next()? {
                    '\\' => drop(characters.next()?),
                    '"' => break,
                    _ => {}
                }
            }
            out.push('"');
        }
    }
    Some(out)
}

#[test]
fn no_text_leaves_its_quotes_in_dot() {
    on_pictures(|graph, live| {
        let picture = dot::write(graph, live);
        for line in picture.lines() {
            let bare = unquoted(line);
            prop_assert!(bare.is_some(), "a quote is open in {line}");
            let bare = bare.unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || " \"{}[]=,;.->_".contains(c);
            prop_assert!(bare.chars().all(plain), "{bare}");
            let known = ["digraph \"\" {", "}", "    s", "    start", "    deletion", "    node [", "    edge ["];
            let known = known.iter().chain(&["    bgcolor", "    rank", "    label", "    font"]);
            prop_assert!(known.clone().any(|start| bare.starts_with(start)), "{bare}");
        }
        Ok(())
    });
}

#[test]
fn no_text_is_markup_in_mermaid() {
    on_pictures(|graph, live| {
        for picture in [mermaid::flat(graph, live), mermaid::folded(graph, live)] {
            for line in picture.lines().skip(1) {
                let line = line.trim();
                // What the writer itself puts round a text.
                let text = match line.split_once(' ') {
                    Some(("accTitle:" | "accDescr:", text)) => text,
                    Some(("state", rest)) if rest.starts_with('"') => rest.split('"').nth(1).unwrap_or(rest),
                    Some(("note", _)) | Some((_, _)) if line.contains(" : ") => line.split_once(" : ").unwrap().1,
                    _ if line.starts_with("classDef ") => continue,
                    _ => line,
                };
                let plain = |c: char| c.is_alphanumeric() || " _,.⟲…✔▶◀■○#;[]*->{}".contains(c);
                prop_assert!(text.chars().all(plain), "{line}");
                // A semicolon only ends an entity.
                for part in text.split_inclusive(';').filter(|part| part.ends_with(';')) {
                    let entity = part.rsplit('#').next().unwrap().trim_end_matches(';');
                    prop_assert!(part.contains('#') && entity.chars().all(|c| c.is_ascii_digit()), "{line}");
                }
                prop_assert!(!text.contains("%%") && !text.contains("<"), "{line}");
            }
        }
        Ok(())
    });
}
