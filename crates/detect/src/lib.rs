//! bytes in, findings out: decoding ladder, secrets, personal and financial data, injection, leaks
