//! The function under `#[main]` or `#[test]`, and the ordinary function it becomes.
//!
//! The body stays a bag of tokens. The compiler parses it later and complains about it in place, and a program
//! that is being typed keeps its completions.

use crate::args::{Args, Macro};
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, Path, Result, ReturnType, Signature, Visibility};

/// The attribute's expansion.
pub(crate) fn expand(of: Macro, args: TokenStream, item: TokenStream) -> TokenStream {
    let (mut output, error) = transform(of, args, item);
    output.extend(error.map(|error| error.to_compile_error()));
    output
}

/// The function that takes the item's place, and what is wrong with it or the arguments. There always is one, so
/// that a mistake is not followed by complaints about a missing function.
pub(crate) fn transform(of: Macro, args: TokenStream, item: TokenStream) -> (TokenStream, Option<Error>) {
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => return (item, Some(error)),
    };
    let args = function.check(of).and_then(|()| Args::parse(of, args));
    match args {
        Ok(args) => (function.expand(of, &args), None),
        Err(error) => (function.expand(of, &Args::defaults(of)), Some(error)),
    }
}

struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: braces(input)?,
        })
    }
}

/// The next group in braces. A body that came through a `$body:block` fragment sits in an invisible group.
fn braces(input: ParseStream<'_>) -> Result<Group> {
    let mut tree: TokenTree = input.parse()?;
    loop {
        tree = match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return Ok(group),
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                syn::parse2::<TokenTree>(group.stream())?
            }
            other => return Err(Error::new(other.span(), "expected curly braces")),
        };
    }
}

impl Function {
    fn check(&self, of: Macro) -> Result<()> {
        if of.is_test {
            if let Some(second) = self.attributes.iter().find(|attribute| is_test(attribute.path())) {
                let complaint = "second test attribute is supplied, consider removing or changing the order of \
                                 your test attributes";
                return Err(Error::new_spanned(second, complaint));
            }
        }
        let signature = &self.signature;
        if signature.asyncness.is_none() {
            let complaint = "the `async` keyword is missing from the function declaration";
            return Err(Error::new_spanned(signature.fn_token, complaint));
        }
        if !of.is_test && signature.ident == "main" && !signature.inputs.is_empty() {
            return Err(Error::new_spanned(&signature.ident, "the main function cannot accept arguments"));
        }
        Ok(())
    }

    fn expand(self, of: Macro, args: &Args) -> TokenStream {
        let Self { attributes, visibility, mut signature, body } = self;
        signature.asyncness = None;
        let test = of.is_test.then(|| quote!(#[::core::prelude::v1::test]));
        let (whole, end) = (body.span(), body.span_close());
        let (inner, body) = future(&signature, &body);
        // Every test has a future type of its own. Behind `dyn` they share one copy of the runtime's `block_on`.
        let body = if of.is_test {
            quote! {
                let body: ::core::pin::Pin<&mut dyn ::core::future::Future<Output = _>> =
                    ::core::pin::pin!(#body);
            }
        } else {
            quote!(let body = #body;)
        };
        let build = args.build();
        // A panic of `block_on`, and the runtime's frames in a backtrace, name the end of the function: the call has
        // that place, while the variables keep the expansion's hygiene.
        let block_on = Ident::new("block_on", end);
        let mut arguments = Group::new(Delimiter::Parenthesis, quote!(body));
        arguments.set_span(end);
        let statements = quote! {
            #(#inner)*
            #body
            #[allow(clippy::panic, clippy::panic_in_result_fn)]
            let runtime = match #build {
                ::core::result::Result::Ok(runtime) => runtime,
                // Not `expect`, which shows the error as a programmer sees it: it may be about a user's file.
                ::core::result::Result::Err(error) => ::core::panic!("Failed building the Runtime: {}", error),
            };
            runtime.#block_on #arguments
        };
        // Braces where the user's are, so that a complaint about the function underlines all of it.
        let mut block = Group::new(Delimiter::Brace, statements);
        block.set_span(whole);
        quote! {
            #test
            #(#attributes)*
            #visibility #signature #block
        }
    }
}

/// The body as a future, and the inner attributes that stood in it.
///
/// An `async` block does not know what it should return, so mistakes in it would be reported where its output
/// is used: in our code. A `return` of the declared type in front, never taken, tells it. Expressions in the
/// body are then coerced and reported as in a function. It cannot be written where the type cannot.
fn future(signature: &Signature, body: &Group) -> (Vec<Attribute>, TokenStream) {
    let split = |input: ParseStream<'_>| Ok((Attribute::parse_inner(input)?, input.parse::<TokenStream>()?));
    let (inner, statements) = split.parse2(body.stream()).unwrap_or_else(|_| (Vec::new(), body.stream()));
    let (output, at) = match &signature.output {
        ReturnType::Default => (quote!(()), signature.ident.span()),
        ReturnType::Type(_, output) => (output.to_token_stream(), output.span()),
    };
    let hint = has_a_name(output.clone()).then(|| {
        quote_spanned! {Span::call_site().located_at(at)=>
            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
                return output;
            }
        }
    });
    let mut block = Group::new(Delimiter::Brace, quote!(#hint #statements));
    block.set_span(body.span());
    (inner, quote!(async #block))
}

/// Whether a return type may stand in a body: `!` and `impl Trait` may not.
fn has_a_name(output: TokenStream) -> bool {
    output.into_iter().all(|tree| match tree {
        TokenTree::Group(group) => has_a_name(group.stream()),
        TokenTree::Ident(ident) => ident != "impl",
        TokenTree::Punct(punct) => punct.as_char() != '!',
        TokenTree::Literal(_) => true,
    })
}

/// Whether an attribute is the standard `#[test]`, under its short or its full name.
fn is_test(path: &Path) -> bool {
    let names: Vec<&Ident> = path.segments.iter().map(|segment| &segment.ident).collect();
    match names[..] {
        [name] => name == "test",
        [root, prelude, _, name] => {
            (root == "core" || root == "std") && prelude == "prelude" && name == "test"
        }
        _ => false,
    }
}
