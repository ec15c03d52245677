//! What stands in the parentheses of `#[main(…)]` and `#[test(…)]`.
//!
//! Here: reading the arguments, and every complaint about them. Where Tokio has a complaint, the words are its.
//! Not here: the function the attribute stands on (`entry`).

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use std::fmt::Display;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, Lit, LitStr, Meta, Path, Result, Token};

/// One of the four attribute macros: what it is called and what it defaults to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Macro {
    pub(crate) name: &'static str,
    pub(crate) is_test: bool,
    flavor: Flavor,
    crate_path: fn() -> TokenStream,
    /// The flavor to recommend to someone who wants more than one thread.
    parallel: Flavor,
}

impl Macro {
    pub(crate) const MAIN: Self = Self {
        name: "corelane::main",
        is_test: false,
        flavor: Flavor::Sharded,
        crate_path: || quote!(::corelane),
        parallel: Flavor::Sharded,
    };
    pub(crate) const TEST: Self =
        Self { name: "corelane::test", is_test: true, flavor: Flavor::CurrentThread, ..Self::MAIN };
    /// The path has no leading `::`: programs that do `use other_crate::tokio;` rely on it.
    pub(crate) const TOKIO_MAIN: Self = Self {
        name: "tokio::main",
        is_test: false,
        flavor: Flavor::MultiThread,
        crate_path: || quote!(tokio),
        parallel: Flavor::MultiThread,
    };
    pub(crate) const TOKIO_TEST: Self =
        Self { name: "tokio::test", is_test: true, flavor: Flavor::CurrentThread, ..Self::TOKIO_MAIN };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flavor {
    Sharded,
    MultiThread,
    CurrentThread,
    Local,
}

impl Flavor {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        Err(match text {
            "sharded" => return Ok(Self::Sharded),
            "multi_thread" => return Ok(Self::MultiThread),
            "current_thread" => return Ok(Self::CurrentThread),
            "local" => return Ok(Self::Local),
            "single_thread" => "The single threaded runtime flavor is called `current_thread`.".into(),
            "basic_scheduler" => {
                "The `basic_scheduler` runtime flavor has been renamed to `current_thread`.".into()
            }
            "threaded_scheduler" => {
                "The `threaded_scheduler` runtime flavor has been renamed to `multi_thread`.".into()
            }
            _ => format!(
                "No such runtime flavor `{text}`. The runtime flavors are `current_thread`, `local`, \
                 `multi_thread`, and `sharded`."
            ),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sharded => "sharded",
            Self::MultiThread => "multi_thread",
            Self::CurrentThread => "current_thread",
            Self::Local => "local",
        }
    }

    fn is_parallel(self) -> bool {
        matches!(self, Self::Sharded | Self::MultiThread)
    }
}

/// The runtime the arguments ask for.
pub(crate) struct Args {
    flavor: Flavor,
    crate_path: TokenStream,
    /// Calls on the builder, in the order in which they are made.
    settings: Vec<TokenStream>,
}

impl Args {
    /// What the macro means without arguments.
    pub(crate) fn defaults(of: Macro) -> Self {
        Self { flavor: of.flavor, crate_path: (of.crate_path)(), settings: Vec::new() }
    }

    /// Reads the arguments; the first mistake is the one reported.
    pub(crate) fn parse(of: Macro, tokens: TokenStream) -> Result<Self> {
        let mut given = Given::default();
        for argument in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)? {
            given.add(of, &argument)?;
        }
        given.check(of)
    }

    /// An expression that builds the runtime and answers with a `Result`.
    pub(crate) fn build(&self) -> TokenStream {
        let Self { flavor, crate_path, settings } = self;
        let here = quote!(build_local(::core::default::Default::default()));
        let (constructor, build) = match flavor {
            // The calling thread is shard 0.
            Flavor::Sharded => ("new_sharded", here),
            Flavor::MultiThread => ("new_multi_thread", quote!(build())),
            Flavor::CurrentThread => ("new_current_thread", quote!(build())),
            Flavor::Local => ("new_current_thread", here),
        };
        let constructor = format_ident!("{constructor}");
        quote!(#crate_path::runtime::Builder::#constructor() #(.#settings)* .enable_all().#build)
    }
}

/// The arguments as they stand there, each with the place to underline if it turns out not to fit.
#[derive(Default)]
struct Given {
    flavor: Option<(Flavor, Span)>,
    worker_threads: Option<(usize, Span)>,
    start_paused: Option<(bool, Span)>,
    unhandled_panic: Option<(Ident, Span)>,
    crate_path: Option<(Path, Span)>,
    name: Option<(LitStr, Span)>,
    config: Option<(LitStr, Span)>,
}

impl Given {
    fn add(&mut self, of: Macro, argument: &Meta) -> Result<()> {
        let name = match argument {
            Meta::List(list) => return fail(list, "Unknown attribute inside the macro"),
            Meta::Path(path) => path,
            Meta::NameValue(pair) => &pair.path,
        };
        let Some(name) = name.get_ident() else { return fail(argument, "Must have specified ident") };
        let name = name.to_string();
        let Meta::NameValue(pair) = argument else { return fail(argument, without_value(of, &name)) };
        let literal = || match &pair.value {
            Expr::Lit(value) => Ok(&value.lit),
            other => fail(other, "Must be a literal"),
        };
        match name.as_str() {
            "flavor" => set(&mut self.flavor, &name, literal()?, |literal| {
                let text = string(literal, "flavor")?;
                Flavor::parse(&text.value()).or_else(|complaint| fail(literal, complaint))
            }),
            "worker_threads" => set(&mut self.worker_threads, &name, literal()?, positive),
            "start_paused" => set(&mut self.start_paused, &name, literal()?, |literal| match literal {
                Lit::Bool(value) => Ok(value.value),
                _ => fail(literal, "Failed to parse value of `start_paused` as bool."),
            }),
            "unhandled_panic" => set(&mut self.unhandled_panic, &name, literal()?, unhandled_panic),
            "crate" => set(&mut self.crate_path, &name, literal()?, crate_path),
            "name" => set(&mut self.name, &name, literal()?, |literal| string(literal, "name").cloned()),
            "config" => {
                set(&mut self.config, &name, literal()?, |literal| string(literal, "config").cloned())
            }
            "core_threads" => fail(argument, "Attribute `core_threads` is renamed to `worker_threads`"),
            _ => fail(argument, unknown(&name)),
        }
    }

    /// Looks at the arguments together, which no order of writing them may change.
    fn check(self, of: Macro) -> Result<Args> {
        let mut args = Args::defaults(of);
        if let Some((flavor, _)) = self.flavor {
            args.flavor = flavor;
        }
        if let Some((path, _)) = self.crate_path {
            args.crate_path = path.into_token_stream();
        }
        let requires = |option: &str, needed: &str, example: Flavor, span| {
            let message = format!(
                "The `{option}` option requires the {needed} runtime flavor. Use `#[{}(flavor = \"{}\")]`",
                of.name,
                example.name()
            );
            Err(Error::new(span, message))
        };
        // The file comes first because what the program says itself overrides it.
        if let Some((file, _)) = self.config {
            args.settings.push(quote!(config_file(#file)));
        }
        if let Some((count, span)) = self.worker_threads {
            if !args.flavor.is_parallel() {
                let needed = match of.parallel {
                    Flavor::Sharded => "`sharded` or `multi_thread`",
                    _ => "`multi_thread`",
                };
                return requires("worker_threads", needed, of.parallel, span);
            }
            args.settings.push(quote!(worker_threads(#count)));
        }
        if let Some((paused, span)) = self.start_paused {
            if args.flavor.is_parallel() {
                return requires("start_paused", "`current_thread`", Flavor::CurrentThread, span);
            }
            args.settings.push(quote!(start_paused(#paused)));
        }
        if let Some((variant, span)) = self.unhandled_panic {
            if args.flavor.is_parallel() {
                return requires("unhandled_panic", "`current_thread`", Flavor::CurrentThread, span);
            }
            let path = &args.crate_path;
            args.settings.push(quote!(unhandled_panic(#path::runtime::UnhandledPanic::#variant)));
        }
        if let Some((name, _)) = self.name {
            args.settings.push(quote!(name(#name)));
        }
        Ok(args)
    }
}

fn set<T>(
    slot: &mut Option<(T, Span)>,
    name: &str,
    literal: &Lit,
    read: impl FnOnce(&Lit) -> Result<T>,
) -> Result<()> {
    if slot.is_some() {
        return fail(literal, format!("`{name}` set multiple times."));
    }
    *slot = Some((read(literal)?, literal.span()));
    Ok(())
}

fn string<'a>(literal: &'a Lit, name: &str) -> Result<&'a LitStr> {
    match literal {
        Lit::Str(text) => Ok(text),
        _ => fail(literal, format!("Failed to parse value of `{name}` as string.")),
    }
}

fn positive(literal: &Lit) -> Result<usize> {
    let Lit::Int(number) = literal else {
        return fail(literal, "Failed to parse value of `worker_threads` as integer.");
    };
    match number.base10_parse() {
        Ok(0) => fail(literal, "`worker_threads` may not be 0."),
        Ok(count) => Ok(count),
        Err(cause) => fail(literal, format!("Failed to parse value of `worker_threads` as integer: {cause}")),
    }
}

fn unhandled_panic(literal: &Lit) -> Result<Ident> {
    let text = string(literal, "unhandled_panic")?.value();
    match text.as_str() {
        "ignore" => Ok(format_ident!("Ignore")),
        "shutdown_runtime" => Ok(format_ident!("ShutdownRuntime")),
        _ => fail(
            literal,
            format!(
                "No such unhandled panic behavior `{text}`. The unhandled panic behaviors are `ignore` and \
                 `shutdown_runtime`."
            ),
        ),
    }
}

fn crate_path(literal: &Lit) -> Result<Path> {
    let Lit::Str(text) = literal else { return fail(literal, "Failed to parse value of `crate` as path.") };
    text.parse_with(Path::parse_mod_style)
        .or_else(|_| fail(literal, format!("Failed to parse value of `crate` as path: \"{}\"", text.value())))
}

/// The complaint about a name that stands alone.
fn without_value(of: Macro, name: &str) -> String {
    let flavor = match name {
        "sharded" | "local" => name,
        "multi_thread" | "threaded_scheduler" => "multi_thread",
        "current_thread" | "basic_scheduler" | "single_threaded" => "current_thread",
        "flavor" | "worker_threads" | "start_paused" | "crate" | "unhandled_panic" | "name" | "config" => {
            return format!("The `{name}` attribute requires an argument.");
        }
        _ => return unknown(name),
    };
    format!("Set the runtime flavor with #[{}(flavor = \"{flavor}\")].", of.name)
}

fn unknown(name: &str) -> String {
    format!(
        "Unknown attribute {name} is specified; expected one of: `flavor`, `worker_threads`, `start_paused`, \
         `crate`, `unhandled_panic`, `name`, `config`."
    )
}

fn fail<T>(at: impl ToTokens, complaint: impl Display) -> Result<T> {
    Err(Error::new_spanned(at, complaint))
}
