//! What is rejected, in which words and underlining what; and the shape of what is accepted.

use crate::args::Macro;
use crate::{entry, select};
use proc_macro2::TokenStream;

const MAIN: Macro = Macro::MAIN;
const TEST: Macro = Macro::TEST;
const TOKIO: Macro = Macro::TOKIO_MAIN;

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The expansion as text without white space, which `TokenStream` prints as it likes.
fn compact(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

/// The expansion, the complaint, and the piece of source that the complaint underlines.
fn rejected(of: Macro, args: &str, item: &str) -> (String, String, String) {
    let (expansion, error) = entry::transform(of, tokens(args), tokens(item));
    let error = error.unwrap_or_else(|| panic!("accepted: {args} on {item}"));
    (compact(&expansion), error.to_string(), error.span().source_text().unwrap_or_default())
}

/// The expansion of what has to be accepted.
fn accepted(of: Macro, args: &str, item: &str) -> String {
    let (expansion, error) = entry::transform(of, tokens(args), tokens(item));
    assert!(error.is_none(), "{args} on {item}: {}", error.unwrap());
    compact(&expansion)
}

#[test]
fn rejected_with_the_reason_and_the_place() {
    let table: &[(Macro, &str, &str, &str)] = &[
        (MAIN, "foo", "foo", UNKNOWN_FOO),
        (MAIN, "foo = 1", "foo = 1", UNKNOWN_FOO),
        (TEST, "num_workers = 1, flavor = 3", "num_workers = 1", UNKNOWN_NUM_WORKERS),
        (MAIN, "threadpool::bar", "threadpool::bar", "Must have specified ident"),
        (MAIN, "a::b = 1", "a::b = 1", "Must have specified ident"),
        (MAIN, "flavor(\"local\")", "flavor(\"local\")", "Unknown attribute inside the macro"),
        (
            MAIN,
            "worker_threads = -1",
            "-1",
            "Failed to parse value of `worker_threads` as integer: invalid digit found in string",
        ),
        (MAIN, "worker_threads = N", "N", "Must be a literal"),
        (MAIN, "flavor = 123", "123", "Failed to parse value of `flavor` as string."),
        (MAIN, "name = 1", "1", "Failed to parse value of `name` as string."),
        (MAIN, "config = true", "true", "Failed to parse value of `config` as string."),
        (MAIN, "unhandled_panic = 1", "1", "Failed to parse value of `unhandled_panic` as string."),
        (MAIN, "worker_threads = \"4\"", "\"4\"", "Failed to parse value of `worker_threads` as integer."),
        (MAIN, "start_paused = 1", "1", "Failed to parse value of `start_paused` as bool."),
        (MAIN, "start_paused = \"true\"", "\"true\"", "Failed to parse value of `start_paused` as bool."),
        (MAIN, "crate = 456", "456", "Failed to parse value of `crate` as path."),
        (MAIN, "crate = \"456\"", "\"456\"", "Failed to parse value of `crate` as path: \"456\""),
        (MAIN, "crate = \"a-b\"", "\"a-b\"", "Failed to parse value of `crate` as path: \"a-b\""),
        (MAIN, "worker_threads = 0", "0", "`worker_threads` may not be 0."),
        (
            MAIN,
            "worker_threads = 99999999999999999999",
            "99999999999999999999",
            "Failed to parse value of `worker_threads` as integer: number too large to fit in target type",
        ),
        (MAIN, "flavor = \"local\", flavor = \"sharded\"", "\"sharded\"", "`flavor` set multiple times."),
        (MAIN, "worker_threads = 1, worker_threads = 2", "2", "`worker_threads` set multiple times."),
        (TEST, "start_paused = true, start_paused = false", "false", "`start_paused` set multiple times."),
        (MAIN, "crate = \"a\", crate = \"b\"", "\"b\"", "`crate` set multiple times."),
        (MAIN, "name = \"a\", name = \"b\"", "\"b\"", "`name` set multiple times."),
        (MAIN, "config = \"a\", config = \"b\"", "\"b\"", "`config` set multiple times."),
        (
            TEST,
            "unhandled_panic = \"ignore\", unhandled_panic = \"shutdown_runtime\"",
            "\"shutdown_runtime\"",
            "`unhandled_panic` set multiple times.",
        ),
        (
            MAIN,
            "flavor = \"foo\"",
            "\"foo\"",
            "No such runtime flavor `foo`. The runtime flavors are `current_thread`, `local`, `multi_thread`, \
             and `sharded`.",
        ),
        (
            MAIN,
            "flavor = \"single_thread\"",
            "\"single_thread\"",
            "The single threaded runtime flavor is called `current_thread`.",
        ),
        (
            MAIN,
            "flavor = \"basic_scheduler\"",
            "\"basic_scheduler\"",
            "The `basic_scheduler` runtime flavor has been renamed to `current_thread`.",
        ),
        (
            MAIN,
            "flavor = \"threaded_scheduler\"",
            "\"threaded_scheduler\"",
            "The `threaded_scheduler` runtime flavor has been renamed to `multi_thread`.",
        ),
        (
            MAIN,
            "unhandled_panic = \"foo\"",
            "\"foo\"",
            "No such unhandled panic behavior `foo`. The unhandled panic behaviors are `ignore` and \
             `shutdown_runtime`.",
        ),
        (
            MAIN,
            "core_threads = 1",
            "core_threads = 1",
            "Attribute `core_threads` is renamed to `worker_threads`",
        ),
        (MAIN, "flavor", "flavor", "The `flavor` attribute requires an argument."),
        (MAIN, "crate", "crate", "The `crate` attribute requires an argument."),
        (MAIN, "config", "config", "The `config` attribute requires an argument."),
        (MAIN, "sharded", "sharded", "Set the runtime flavor with #[corelane::main(flavor = \"sharded\")]."),
        (
            TOKIO,
            "threaded_scheduler",
            "threaded_scheduler",
            "Set the runtime flavor with #[tokio::main(flavor = \"multi_thread\")].",
        ),
        (
            TEST,
            "single_threaded",
            "single_threaded",
            "Set the runtime flavor with #[corelane::test(flavor = \"current_thread\")].",
        ),
        (
            Macro::TOKIO_TEST,
            "worker_threads = 4",
            "4",
            "The `worker_threads` option requires the `multi_thread` runtime flavor. Use \
             `#[tokio::test(flavor = \"multi_thread\")]`",
        ),
        (
            MAIN,
            "worker_threads = 4, flavor = \"local\"",
            "4",
            "The `worker_threads` option requires the `sharded` or `multi_thread` runtime flavor. Use \
             `#[corelane::main(flavor = \"sharded\")]`",
        ),
        (
            MAIN,
            "start_paused = false",
            "false",
            "The `start_paused` option requires the `current_thread` runtime flavor. Use \
             `#[corelane::main(flavor = \"current_thread\")]`",
        ),
        (
            TEST,
            "flavor = \"multi_thread\", unhandled_panic = \"ignore\"",
            "\"ignore\"",
            "The `unhandled_panic` option requires the `current_thread` runtime flavor. Use \
             `#[corelane::test(flavor = \"current_thread\")]`",
        ),
    ];
    for &(of, args, underlined, message) in table {
        let (expansion, text, place) = rejected(of, args, "async fn run() {}");
        assert_eq!((text.as_str(), place.as_str()), (message, underlined), "arguments: {args}");
        assert!(expansion.contains("fnrun()"), "the function is missing: {expansion}");
    }
}

const UNKNOWN_FOO: &str = "Unknown attribute foo is specified; expected one of: `flavor`, `worker_threads`, \
                           `start_paused`, `crate`, `unhandled_panic`, `name`, `config`.";
const UNKNOWN_NUM_WORKERS: &str = "Unknown attribute num_workers is specified; expected one of: `flavor`, \
                                   `worker_threads`, `start_paused`, `crate`, `unhandled_panic`, `name`, `config`.";

#[test]
fn functions_that_cannot_be_entered() {
    let table: &[(Macro, &str, &str, &str)] = &[
        (MAIN, "fn main() {}", "fn", "the `async` keyword is missing from the function declaration"),
        (TEST, "fn works() {}", "fn", "the `async` keyword is missing from the function declaration"),
        (MAIN, "async fn main(x: u8) {}", "main", "the main function cannot accept arguments"),
        (MAIN, "struct Main;", "struct", "expected `fn`"),
        (MAIN, "async fn run();", ";", "expected curly braces"),
        (TEST, "#[test] async fn works() {}", "#[test]", SECOND),
        (
            TEST,
            "#[inline] #[std::prelude::v1::test] async fn works() {}",
            "#[std::prelude::v1::test]",
            SECOND,
        ),
    ];
    for &(of, item, underlined, message) in table {
        let (_, text, place) = rejected(of, "", item);
        assert_eq!((text.as_str(), place.as_str()), (message, underlined), "item: {item}");
    }
}

const SECOND: &str = "second test attribute is supplied, consider removing or changing the order of your test \
                      attributes";

/// The calls that build the runtime.
fn built_by(of: Macro, args: &str) -> String {
    let text = accepted(of, args, "async fn run() {}");
    let start = text.find("letruntime=match").expect("no runtime") + "letruntime=match".len();
    let end = text.find("{::core::result::Result::Ok(runtime)").expect("no match");
    text[start..end].to_owned()
}

#[test]
fn arguments_become_calls_on_the_builder() {
    let table = [
        (
            MAIN,
            "",
            "::corelane::runtime::Builder::new_sharded().enable_all().build_local(::core::default::Default::default())",
        ),
        (TEST, "", "::corelane::runtime::Builder::new_current_thread().enable_all().build()"),
        (TOKIO, "", "tokio::runtime::Builder::new_multi_thread().enable_all().build()"),
        (Macro::TOKIO_TEST, "", "tokio::runtime::Builder::new_current_thread().enable_all().build()"),
        (
            MAIN,
            "worker_threads = 3, config = \"a.toml\",",
            "::corelane::runtime::Builder::new_sharded().config_file(\"a.toml\").worker_threads(3usize)\
             .enable_all().build_local(::core::default::Default::default())",
        ),
        (
            TEST,
            "flavor = \"local\", name = \"n\", start_paused = true, crate = \"my::rt\"",
            "my::rt::runtime::Builder::new_current_thread().start_paused(true).name(\"n\").enable_all()\
             .build_local(::core::default::Default::default())",
        ),
        (
            TEST,
            "unhandled_panic = \"shutdown_runtime\"",
            "::corelane::runtime::Builder::new_current_thread()\
             .unhandled_panic(::corelane::runtime::UnhandledPanic::ShutdownRuntime).enable_all().build()",
        ),
        (
            MAIN,
            "worker_threads = 2, flavor = \"multi_thread\"",
            "::corelane::runtime::Builder::new_multi_thread().worker_threads(2usize).enable_all().build()",
        ),
    ];
    for (of, args, expected) in table {
        assert_eq!(built_by(of, args), expected, "arguments: {args}");
    }
}

#[test]
fn the_function_keeps_what_surrounds_its_body() {
    let item = "#[ignore] #[doc = \"d\"] pub(crate) async fn run<'a, T: Copy>(x: &'a T) -> &'a T where T: Send \
                { #![allow(dead_code)] x }";
    let text = accepted(MAIN, "", item);
    assert!(text.starts_with(
        "#[ignore]#[doc=\"d\"]pub(crate)fnrun<'a,T:Copy>(x:&'aT)->&'aTwhereT:Send{#![allow(dead_code)]\
         letbody=async{"
    ));

    let text = accepted(TEST, "", "#[should_panic] async fn t() {}");
    assert!(text.starts_with("#[::core::prelude::v1::test]#[should_panic]fnt(){"), "{text}");
}

#[test]
fn the_body_is_told_its_type_where_the_type_can_be_written() {
    let hint = |item: &str| accepted(MAIN, "", item).contains("Option::None::<");
    assert!(hint("async fn run() {}"));
    assert!(hint("async fn run() -> Result<(), Box<dyn Error>> { todo!() }"));
    assert!(!hint("async fn run() -> ! { loop {} }"));
    assert!(!hint("async fn run() -> Result<(), impl Error> { Ok(()) }"));
}

#[test]
fn a_body_that_does_not_parse_is_left_to_the_compiler() {
    let text = accepted(MAIN, "", "async fn main() { let x = ; x. }");
    assert!(text.contains("letx=;x."), "{text}");
}

#[test]
fn a_mistake_becomes_a_compile_error_beside_the_function() {
    let text = compact(&entry::expand(MAIN, tokens("flavor = 1"), tokens("async fn main() {}")));
    assert!(text.starts_with("fnmain(){"), "{text}");
    assert!(text.contains("::core::compile_error!{\"Failedtoparsevalueof`flavor`asstring.\"}"), "{text}");
}

#[test]
fn select_rejects() {
    let branches = |count| "_ = f => (),".repeat(count);
    let table = [
        (String::new(), "select! requires at least one branch."),
        ("biased;".into(), "select! requires at least one branch."),
        (branches(65), "select! takes at most 64 branches"),
        ("else => 1, _ = f => 2".into(), "the `else` branch must be the last one of `select!`"),
        ("_ = f".into(), "expected `=>`"),
        ("_ = a => b c".into(), "expected `,`"),
        ("_ = a, unless b => c".into(), "expected `if`"),
        ("f => c".into(), "expected `=`"),
    ];
    for (input, message) in table {
        let error = select::parse(tokens(&format!("s; {input}"))).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(message), "input: {input}");
    }
    assert!(select::parse(tokens(&format!("s; {}", branches(64)))).is_ok());
}
