//! The expansion of `join!` and `try_join!`.
//!
//! Here too: what `select!` shares with them, the start of the grammar and the storage of the futures.
//! A procedural macro because each future needs a name or a number of its own, which the declarative kind can only
//! reach by recursion.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Path, Result, Token};

/// When the macro's future is done.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Until {
    AllDone,
    FirstError,
}

pub(crate) fn expand(until: Until, input: TokenStream) -> TokenStream {
    syn::parse2::<Join>(input).map_or_else(|error| error.to_compile_error(), |join| join.expand(until))
}

struct Join {
    support: Path,
    biased: bool,
    futures: Punctuated<Expr, Token![,]>,
}

impl Parse for Join {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            support: support(input)?,
            biased: biased(input)?,
            futures: Punctuated::parse_terminated(input)?,
        })
    }
}

/// The path that the declarative half of the macro writes in front.
pub(crate) fn support(input: ParseStream<'_>) -> Result<Path> {
    let path = input.call(Path::parse_mod_style)?;
    input.parse::<Token![;]>()?;
    Ok(path)
}

/// Takes `biased;` if it is there.
pub(crate) fn biased(input: ParseStream<'_>) -> Result<bool> {
    let found = input.fork().parse::<Ident>().is_ok_and(|ident| ident == "biased") && input.peek2(Token![;]);
    if found {
        input.parse::<Ident>()?;
        input.parse::<Token![;]>()?;
    }
    Ok(found)
}

/// What the expansions of both macros do with their futures: they put them into one local, in a chain of the
/// support module, which the poll closure then holds by a single pointer.
pub(crate) struct Futures<'a> {
    support: &'a Path,
    values: Vec<Ident>,
}

impl<'a> Futures<'a> {
    pub(crate) fn new(support: &'a Path, count: usize) -> Self {
        // The span keeps the names out of sight of what the user wrote.
        let values = (0..count).map(|index| Ident::new(&format!("value{index}"), Span::mixed_site()));
        Self { support, values: values.collect() }
    }

    /// Evaluates the expressions, in order, into a local each: there their temporaries live long enough. They
    /// stand in a tuple, where redundant parentheses or braces are nobody's business.
    pub(crate) fn evaluate(&self, expressions: impl Iterator<Item = &'a Expr>) -> TokenStream {
        let values = &self.values;
        quote_spanned!(Span::mixed_site()=> #(let (#values,) = (#expressions,);)*)
    }

    /// Declares `futures`, with what `convert` makes of each value.
    pub(crate) fn pin(&self, convert: &TokenStream) -> TokenStream {
        let site = Span::mixed_site();
        let Self { support, values } = self;
        let chain = values.iter().rev().fold(
            quote_spanned!(site=> ()),
            |tail, value| quote_spanned!(site=> #support::Chain::new(#convert(#value), #tail)),
        );
        quote_spanned!(site=> let mut futures = ::core::pin::pin!(#chain);)
    }

    /// The future of that number, as a `Pin<&mut _>`.
    pub(crate) fn get(index: usize) -> TokenStream {
        let site = Span::mixed_site();
        let tails = (0..index).map(|_| quote_spanned!(site=> .tail()));
        quote_spanned!(site=> futures.as_mut() #(#tails)* .head())
    }
}

impl Join {
    fn expand(&self, until: Until) -> TokenStream {
        let site = Span::mixed_site();
        let support = &self.support;
        let count = self.futures.len();
        let futures = Futures::new(support, count);
        let name = |name| Ident::new(name, site);
        let (poll, take) = match until {
            Until::AllDone => (name("poll"), name("take")),
            Until::FirstError => (name("try_poll"), name("try_take")),
        };
        let each: Vec<_> = (0..count).map(Futures::get).collect();
        let outputs = quote_spanned!(site=> (#(#each.#take(),)*));
        let outputs = match until {
            Until::AllDone => outputs,
            Until::FirstError => quote_spanned!(site=> ::core::result::Result::Ok(#outputs)),
        };
        if count == 0 {
            return quote_spanned!(site=> ::core::future::ready(#outputs).await);
        }
        let polls = each.iter().enumerate().map(|(index, future)| {
            let poll = quote_spanned!(site=> #future.#poll(context));
            let done = match until {
                Until::AllDone => poll,
                Until::FirstError => quote_spanned! {site=>
                    match #poll {
                        ::core::result::Result::Ok(done) => done,
                        ::core::result::Result::Err(error) => {
                            return ::core::task::Poll::Ready(::core::result::Result::Err(error));
                        }
                    }
                },
            };
            quote_spanned!(site=> #index => #done,)
        });
        let (declare, branch, rotate) = if self.biased {
            (None, quote_spanned!(site=> offset), None)
        } else {
            (
                Some(quote_spanned!(site=> let mut first = 0_usize;)),
                quote_spanned!(site=> #support::wrap(first + offset, #count)),
                Some(quote_spanned!(site=> first = #support::wrap(first + 1, #count);)),
            )
        };
        let evaluate = futures.evaluate(self.futures.iter());
        let pin = futures.pin(&quote_spanned!(site=> #support::MaybeDone::new));
        quote_spanned! {site=> {
            #evaluate
            #pin
            #declare
            ::core::future::poll_fn(move |context| {
                let mut all_done = true;
                for offset in 0..#count {
                    all_done &= match #branch {
                        #(#polls)*
                        _ => ::core::unreachable!(),
                    };
                }
                #rotate
                if all_done { ::core::task::Poll::Ready(#outputs) } else { ::core::task::Poll::Pending }
            })
            .await
        }}
    }
}
