//! principals, sessions, tokens and their issuer, private CA, OIDC, second factors, revocation
