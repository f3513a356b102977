//! Rules: what is known of each kind, as data.

use crate::check::Check;
use crate::error::Error;
use serde::Deserialize;
use std::collections::BTreeSet;
use terms::Class;

/// The longest match that a rule may have, in bytes; what a stream holds back.
pub const REACH: usize = 16 << 10;

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../rules/", $name, ".yaml")))),*] };
}

/// One file a provider.
#[rustfmt::skip]
const FILES: &[(&str, &str)] = files![
    "1password", "adafruit", "adobe", "age", "airtable", "aiven", "akamai", "algolia", "alibaba", "amplitude", "anthropic", "apify",
    "artifactory", "asana", "atlassian", "auth0", "authress", "aws", "aws-session", "azure", "beamer", "bitly", "braintree", "brevo",
    "browserstack", "bugsnag", "buildkite", "cerebras", "checkly", "circleci", "clickhouse", "clickup", "clojars", "cloudflare",
    "cloudinary", "cockroach", "codecov", "cohere", "coinbase", "command", "confluent", "contentful", "convex", "crates", "databricks", "datadog",
    "deepgram", "deepseek", "defined", "deno", "digitalocean", "discord", "docker", "doppler", "dropbox", "duffel", "dynatrace",
    "easypost", "elastic", "elevenlabs", "etsy", "exa", "facebook", "fastly", "figma", "firecrawl", "fireworks", "flutterwave", "fly",
    "frameio", "freshdesk", "gitea", "github", "gitlab", "gocardless", "google", "google-oauth", "grafana", "groq", "harness", "heroku",
    "hetzner", "honeycomb", "hubspot", "huggingface", "infracost", "intercom", "intra42", "ionic", "jina", "jwt", "kagi", "klaviyo",
    "kraken", "kubernetes", "langchain", "langfuse", "launchdarkly", "lichess", "line", "linear", "linkedin", "linode", "lob", "lokalise",
    "mailchimp", "mailgun", "mailjet", "mapbox", "matrix", "mattermost", "maxmind", "meraki", "mercury", "messagebird", "mistral",
    "mixpanel", "mongodb", "mux", "neon", "netlify", "newrelic", "ngrok", "nightfall", "nostr", "notion", "npm", "nuget", "nvidia",
    "octopus", "okta", "onfido", "openai", "openrouter", "openshift", "openweathermap", "opsgenie", "oracle", "packagist", "paddle",
    "pagerduty", "pangea", "password-hash", "paypal", "pem", "perplexity", "persona", "pinecone", "plaid", "planetscale", "polar",
    "portainer", "posthog", "postman", "postmark", "prefect", "pulumi", "pusher", "pypi", "qdrant", "rapidapi", "razorpay", "readme",
    "render", "replicate", "resend", "retool", "riot", "rollbar", "rootly", "rubygems", "runpod", "salesforce", "samsara", "scaleway",
    "scalingo", "seed", "segment", "sendgrid", "sentry", "settlemint", "shippo", "shopify", "signed-url", "slack", "snyk", "solana", "sonar",
    "sourcegraph", "splunk", "square", "squarespace", "stackhawk", "stellar", "stripe", "stripe-webhook", "stytch", "sumologic",
    "supabase", "tailscale", "tavily", "teams", "telegram", "tencent", "terraform", "together", "totp", "travis", "trello", "trigger",
    "twilio", "twitch", "twitter", "typeform", "unsplash", "upstash", "vault", "vercel", "voyage", "vultr", "wakatime", "wallet", "wandb",
    "webex", "webflow", "woocommerce", "xai", "xata", "yandex", "youtrack", "zapier", "zendesk", "zerotier", "zoho",
];

/// One file: the kinds of one provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the format is described in public.
    #[expect(dead_code, reason = "read by people; demanded of every file")]
    source: String,
    rules: Vec<Rule>,
}

/// One kind: what announces it, what it looks like, what has to hold for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name of the kind, such as `github-pat`.
    pub kind: String,
    /// Its class.
    #[serde(default = "secret")]
    pub class: Class,
    /// Literals of at least three bytes, one of which starts every match, or stands in it (`before`); compared without regard to case.
    pub keywords: Vec<String>,
    /// A pattern anchored at the keyword; the group `value`, where there is one, is what is marked.
    pub pattern: String,
    /// How many bytes before the keyword a match may start; then the keyword stands inside it.
    #[serde(default)]
    pub before: usize,
    /// The longest match in bytes, at most [`REACH`].
    #[serde(default = "reach")]
    pub reach: usize,
    /// What the value has to hold beyond the pattern.
    #[serde(default)]
    pub check: Check,
    /// Bits a character that the value has at least (Shannon).
    #[serde(default)]
    pub entropy: f32,
    /// A literal up to which the match goes on, within `reach`.
    #[serde(default)]
    pub through: Option<String>,
    /// From 0 to 1.
    #[serde(default = "confidence")]
    pub confidence: f32,
    /// Values that have to be found, each in fragments so that no scanner takes this file for a leak.
    #[serde(default)]
    pub hit: Vec<Vec<String>>,
    /// Look-alikes that have to pass.
    #[serde(default)]
    pub pass: Vec<Vec<String>>,
}

fn secret() -> Class {
    Class::Secret
}

fn reach() -> usize {
    512
}

fn confidence() -> f32 {
    0.95
}

/// A pattern of the operator's own, searched for without a keyword.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub kind: String,
    pub class: Class,
    pub pattern: String,
}

/// All rules that an engine is made from.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) custom: Vec<Custom>,
    /// Kinds that are not looked for.
    pub(crate) without: BTreeSet<String>,
    /// Names of people that are taken for unknown.
    pub(crate) without_names: BTreeSet<String>,
}

/// Whether a kind, or the family that its name begins with, is among those `without`.
pub(crate) fn left_out(without: &BTreeSet<String>, kind: &str) -> bool {
    !without.is_empty() && (without.contains(kind) || kind.split_once('-').is_some_and(|(family, _)| without.contains(family)))
}

impl Rules {
    /// The rules of the product.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Bounds`] as in [`Rules::with_file`].
    pub fn built_in() -> Result<Self, Error> {
        FILES.iter().try_fold(Self::default(), |rules, (name, text)| rules.with_file(name, text))
    }

    /// These and the rules of one more file (YAML; `name` is for messages).
    ///
    /// # Errors
    /// [`Error::File`] when it is not of the form; [`Error::Bounds`] for a rule without bounds.
    pub fn with_file(mut self, name: &str, text: &str) -> Result<Self, Error> {
        let file: File = serde_saphyr::from_str(text).map_err(|cause| Error::File { file: name.to_owned(), cause: cause.to_string() })?;
        for rule in &file.rules {
            let short = rule.keywords.is_empty() || rule.keywords.iter().any(|word| word.len() < 3);
            if short || rule.reach > REACH {
                return Err(Error::Bounds { kind: rule.kind.clone() });
            }
        }
        self.rules.extend(file.rules);
        Ok(self)
    }

    /// These and an operator's own pattern, searched for everywhere. A match may be [`REACH`] long at most.
    #[must_use]
    pub fn with_custom(mut self, class: Class, kind: &str, pattern: &str) -> Self {
        self.custom.push(Custom { kind: kind.to_owned(), class, pattern: pattern.to_owned() });
        self
    }

    /// These, but for rules and built-in numbers of these kinds, or of these families of kinds, the first part of their names (`github`, `de`):
    /// for judging what the others find of them. `iban-de` leaves out what is known of one country's account numbers.
    #[must_use]
    pub fn without<'a>(mut self, kinds: impl IntoIterator<Item = &'a str>) -> Self {
        self.without.extend(kinds.into_iter().map(str::to_owned));
        self.rules.retain(|rule| !left_out(&self.without, &rule.kind));
        self
    }

    /// These, with the lists of names missing `names`, in lower case: for judging what is found of people who stand in no list.
    #[must_use]
    pub fn without_names<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.without_names.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Every rule, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}
