//! The expansion of `select!`.
//!
//! Here: the branches' grammar, and the code they become. That code runs in one order: conditions, then all
//! branches' expressions, then polling in a block of its own, so that every future is dropped before a handler
//! runs and handlers may use what the futures had borrowed. Handlers are arms of a plain `match` in the user's
//! function, which is why `?`, `return`, `break` and `.await` in them mean what they mean there.
//! Not here: the random start and the budget, which are the runtime's (`macros_support`).

use crate::concurrent::{Futures, biased, support};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Lit, Pat, Path, Result, Token, token};

/// One bit of a `u64` for each branch.
const MAX_BRANCHES: usize = 64;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    parse(input).map_or_else(|error| error.to_compile_error(), |select| select.expand())
}

pub(crate) fn parse(input: TokenStream) -> Result<Select> {
    syn::parse2(input)
}

pub(crate) struct Select {
    support: Path,
    biased: bool,
    branches: Vec<Branch>,
    otherwise: Option<TokenStream>,
}

/// `pattern = future, if condition => handler`
struct Branch {
    pattern: Pat,
    future: Expr,
    condition: Option<Expr>,
    handler: TokenStream,
}

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut select =
            Self { support: support(input)?, biased: biased(input)?, branches: Vec::new(), otherwise: None };
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
                input.parse::<Token![=>]>()?;
                select.otherwise = Some(handler(input)?);
                if !input.is_empty() {
                    return Err(input.error("the `else` branch must be the last one of `select!`"));
                }
            } else {
                select.branches.push(input.parse()?);
            }
        }
        if select.branches.is_empty() && select.otherwise.is_none() {
            return Err(Error::new(Span::call_site(), "select! requires at least one branch."));
        }
        if let Some(one_too_many) = select.branches.get(MAX_BRANCHES) {
            let complaint = format!("select! takes at most {MAX_BRANCHES} branches");
            return Err(Error::new_spanned(&one_too_many.pattern, complaint));
        }
        Ok(select)
    }
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        // The token `=` alone would also take the first half of `=>`.
        if input.peek(Token![=>]) {
            return Err(input.error("expected `=`"));
        }
        input.parse::<Token![=]>()?;
        let future = input.parse()?;
        let condition = if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![if]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        input.parse::<Token![=>]>()?;
        Ok(Self { pattern, future, condition, handler: handler(input)? })
    }
}

/// A block, or an expression that a comma ends. A block is not looked into.
fn handler(input: ParseStream<'_>) -> Result<TokenStream> {
    if input.peek(token::Brace) {
        let block = input.parse::<TokenTree>()?;
        input.parse::<Option<Token![,]>>()?;
        return Ok(block.into());
    }
    let expression: Expr = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(expression.into_token_stream())
}

impl Select {
    fn expand(&self) -> TokenStream {
        let site = Span::mixed_site();
        let count = self.branches.len();
        // Items have no hygiene; this name is in sight of what the user wrote.
        let out = Ident::new("__SelectOutput", site);
        let variants: Vec<_> = (0..count).map(|index| Ident::new(&format!("B{index}"), site)).collect();
        let patterns = self.branches.iter().map(|branch| &branch.pattern);
        let handlers = self.branches.iter().map(|branch| &branch.handler);
        let none_left = self.otherwise.clone().unwrap_or_else(|| {
            quote_spanned! {site=>
                ::core::panic!("all branches are disabled and there is no else branch")
            }
        });
        if count == 0 {
            return quote_spanned!(site=> { #none_left });
        }
        let output = self.output(&out, &variants);
        // The last arm is for patterns that do not always match. Those were tried before the output was let
        // through, so it is never taken.
        quote_spanned! {site=> {
            enum #out<#(#variants),*> { #(#variants(#variants),)* NoneLeft }
            // `mut` is for patterns with `ref mut`.
            let mut output = #output;
            match output {
                #(#out::#variants(#patterns) => #handlers,)*
                #out::NoneLeft => #none_left,
                _ => ::core::unreachable!(),
            }
        }}
    }

    /// A block that waits for the first branch whose output fits its pattern.
    fn output(&self, out: &Ident, variants: &[Ident]) -> TokenStream {
        let site = Span::mixed_site();
        let Self { support, biased, branches, .. } = self;
        let count = branches.len();
        let futures = Futures::new(support, count);
        let disable = branches.iter().enumerate().filter_map(|(index, branch)| {
            let condition = branch.condition.as_ref()?;
            Some(quote_spanned! {site=>
                let enabled: bool = #condition;
                if !enabled { disabled |= 1 << #index; }
            })
        });
        let evaluate = futures.evaluate(branches.iter().map(|branch| &branch.future));
        let pin = futures.pin(&quote_spanned!(site=> ::core::future::IntoFuture::into_future));
        let (start, branch) = if *biased || count == 1 {
            (None, quote_spanned!(site=> offset))
        } else {
            (
                Some(quote_spanned!(site=> let start = #support::thread_rng_n(#count);)),
                quote_spanned!(site=> (start + offset) % #count),
            )
        };
        let polls = branches.iter().enumerate().map(|(index, branch)| {
            let (future, variant) = (Futures::get(index), &variants[index]);
            let pattern = probe(branch.pattern.clone());
            quote_spanned! {site=>
                // An output of type `!` makes the rest unreachable, and nobody uses what the pattern binds.
                #[allow(unreachable_code, unused_variables)]
                #index => {
                    if disabled & (1 << #index) != 0 {
                        continue;
                    }
                    // The bare output, not yet a variant: next to `continue`, a type that nothing else decides
                    // falls back to what the edition says instead of being an error.
                    let output = match ::core::future::Future::poll(#future, context) {
                        ::core::task::Poll::Ready(output) => output,
                        ::core::task::Poll::Pending => {
                            pending = true;
                            continue;
                        }
                    };
                    disabled |= 1 << #index;
                    let output = #out::#variant(output);
                    match &output {
                        #out::#variant(#pattern) => return ::core::task::Poll::Ready(output),
                        _ => {}
                    }
                }
            }
        });
        quote_spanned! {site=> {
            let mut disabled = 0_u64;
            #(#disable)*
            #evaluate
            #pin
            ::core::future::poll_fn(move |context| {
                if #support::poll_budget_available(context).is_pending() {
                    return ::core::task::Poll::Pending;
                }
                let mut pending = false;
                #start
                for offset in 0..#count {
                    match #branch {
                        #(#polls)*
                        _ => ::core::unreachable!(),
                    }
                }
                if pending {
                    ::core::task::Poll::Pending
                } else {
                    ::core::task::Poll::Ready(#out::NoneLeft)
                }
            })
            .await
        }}
    }
}

/// The pattern that tells, by reference, whether the user's pattern would match.
///
/// Under a reference the compiler accepts neither `ref` nor `mut`, and from edition 2024 on no `&` either. Left
/// out they change what is bound, which nobody looks at, and not what matches. The exception is `&` in front of
/// what is compared at its own type: it stays, and edition 2024 then refuses it.
fn probe(mut pattern: Pat) -> Pat {
    match &mut pattern {
        Pat::Ident(binding) => {
            binding.by_ref = None;
            binding.mutability = None;
            if let Some((_, inner)) = binding.subpat.take() {
                return probe(*inner);
            }
        }
        Pat::Reference(reference) if !has_own_type(&reference.pat) => {
            return probe((*reference.pat).clone());
        }
        Pat::Or(or) => or.cases.iter_mut().for_each(replace),
        // Only `@` and `&` need them, and those are gone here.
        Pat::Paren(paren) => return probe((*paren.pat).clone()),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(replace),
        Pat::Struct(fields) => fields.fields.iter_mut().for_each(|field| replace(&mut field.pat)),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(replace),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(replace),
        Pat::Type(typed) => replace(&mut typed.pat),
        _ => {}
    }
    pattern
}

fn replace(pattern: &mut Pat) {
    *pattern = probe(pattern.clone());
}

/// Whether references in the matched value are not looked through: for strings and constants. A constant is told from
/// a binding or a variant by its name, as readers do.
fn has_own_type(pattern: &Pat) -> bool {
    let name = match pattern {
        Pat::Lit(literal) => return matches!(literal.lit, Lit::Str(_) | Lit::ByteStr(_) | Lit::CStr(_)),
        Pat::Ident(ident) if ident.subpat.is_none() => &ident.ident,
        Pat::Path(path) => &path.path.segments[path.path.segments.len() - 1].ident,
        _ => return false,
    };
    !name.to_string().contains(char::is_lowercase)
}
