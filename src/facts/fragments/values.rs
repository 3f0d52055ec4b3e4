//! The values of a fragment's variables at one port, put in their places.

use std::net::IpAddr;

use super::FragmentRule;
use crate::facts::FactError;
use crate::net::{Family, IfName, Mac};

/// The longest comment that iptables takes, in bytes (`XT_MAX_COMMENT_LEN` with
/// its end, linux/netfilter/xt_comment.h).
const LONGEST_COMMENT: usize = 255;

/// What the variables are at one port.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    /// `${IFNAME}`
    pub ifname: &'a IfName,
    /// `${MAC}`
    pub mac: Mac,
    /// `${IP}`, each address in a rule of its own.
    pub addresses: &'a [IpAddr],
    /// `${DOMAIN}`
    pub domain: &'a str,
}

impl Values<'_> {
    /// The name of a chain at this port.
    pub fn chain(&self, name: &str) -> String {
        name.replace("${IFNAME}", self.ifname.as_str())
    }

    /// The rule at this port: one, or one for each address.
    ///
    /// # Errors
    /// It asks for an address and none is known, or a value has no safe spelling.
    pub fn rules(&self, rule: &FragmentRule, family: Family) -> Result<Vec<String>, FactError> {
        let error = |message: String| FactError::new(rule.place.clone(), message);
        let mut words = rule.words.replace("${IFNAME}", self.ifname.as_str()).replace("${MAC}", &self.mac.to_string());
        let with_address = words.contains("${IP}");
        let addresses: Vec<_> = self.addresses.iter().filter(|address| Family::of(**address) == family).collect();
        if with_address && addresses.is_empty() {
            return Err(error(format!("{} has no known address of {family} for ${{IP}}", self.ifname)));
        }
        // Last of all, so that nothing in a tenant's text is taken for a variable.
        let domain = |words: String| -> Result<String, FactError> {
            if !words.contains("${DOMAIN}") {
                return Ok(words);
            }
            self.with_domain(&words).map_err(error)
        };
        if !with_address {
            words = domain(words)?;
            return Ok(vec![words]);
        }
        addresses.into_iter().map(|address| domain(words.replace("${IP}", &address.to_string()))).collect()
    }

    /// Comments with the domain's name, its quotes and backslashes escaped.
    fn with_domain(&self, words: &str) -> Result<String, String> {
        if self.domain.contains(char::is_control) {
            return Err(format!(
                "the domain's name {:?} holds a control character, so it cannot be ${{DOMAIN}}",
                self.domain
            ));
        }
        let longest = words.split('"').filter(|part| part.contains("${DOMAIN}"));
        if longest.map(|part| part.replace("${DOMAIN}", self.domain).len()).any(|length| length > LONGEST_COMMENT) {
            return Err(format!("a comment with the domain's name is longer than {LONGEST_COMMENT} bytes"));
        }
        let escaped = self.domain.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(words.replace("${DOMAIN}", &escaped))
    }
}

#[cfg(test)]
mod tests {
    use super::super::End;
    use super::*;
    use crate::facts::Place;
    use crate::facts::policy::XtTable;

    fn expand(words: &str, addresses: &[&str], domain: &str) -> Result<Vec<String>, String> {
        let place = Place { file: "f".into(), line: 3, column: 1 };
        let rule =
            FragmentRule { table: XtTable::Filter, chain: "INPUT".into(), end: End::Last, words: words.into(), place };
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let ifname = "vnet7".parse().unwrap();
        let mac = "52:54:00:00:00:07".parse().unwrap();
        Values { ifname: &ifname, mac, addresses: &addresses, domain }
            .rules(&rule, Family::V4)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_address_has_a_rule_and_none_is_an_error() {
        let rules = expand("-i ${IFNAME} -s ${IP}", &["10.0.0.1", "fd00::1", "10.0.0.2"], "web").unwrap();
        assert_eq!(rules, ["-i vnet7 -s 10.0.0.1", "-i vnet7 -s 10.0.0.2"]);
        let error = expand("-s ${IP}", &["fd00::1"], "web").unwrap_err();
        assert_eq!(error, "f:3:1: vnet7 has no known address of ipv4 for ${IP}");
    }

    #[test]
    fn a_tenants_name_cannot_leave_its_comment_nor_be_a_variable() {
        let words = "-m comment --comment \"${DOMAIN}\" -s ${IP}";
        let rules = expand(words, &["10.0.0.1"], "a\" -j ACCEPT \\ ${IP}").unwrap();
        assert_eq!(rules, ["-m comment --comment \"a\\\" -j ACCEPT \\\\ ${IP}\" -s 10.0.0.1"]);
        assert!(expand(words, &["10.0.0.1"], "a\nb").unwrap_err().contains("control character"));
        assert!(expand(words, &["10.0.0.1"], &"x".repeat(256)).unwrap_err().contains("longer than 255 bytes"));
    }
}
