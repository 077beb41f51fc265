//! Functions that take personal data out of tables.

use transom_sdk::prelude::*;

/// Hides who an e-mail address belongs to and keeps the domain: `ada@example.com` becomes `a***@example.com`.
#[function]
fn mask_email(email: &str) -> Result<String, String> {
    let (name, domain) = email
        .rsplit_once('@')
        .ok_or_else(|| "an e-mail address has an `@`".to_owned())?;
    let first: String = name.chars().take(1).collect();
    Ok(format!("{first}***@{domain}"))
}

plugin! { functions: [mask_email] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_hidden_and_the_domain_kept() {
        assert_eq!(mask_email("ada@example.com").unwrap(), "a***@example.com");
    }

    #[test]
    fn a_text_without_an_at_sign_is_refused() {
        assert!(mask_email("ada").is_err());
    }
}
