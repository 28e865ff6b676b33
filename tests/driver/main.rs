//! The driver, rule by rule, against a scripted provider on a clock that moves when it is told to.

mod altered;
mod deletion;
mod doubt;
mod flow;
mod golden;
mod holders;
mod interference;
mod letters;
mod lookups;
mod machine;
mod many;
mod operators;
mod order;
mod pictures;
mod records;
mod rejected;
mod removed;
mod rewinds;
mod room;
mod sets;
mod site;
mod texts;
mod values;
mod world;
mod writes;
