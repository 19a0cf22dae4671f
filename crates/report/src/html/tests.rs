use crate::escape::is_active;
use crate::report::fixture;
use haetae_incident::Language;

#[test]
fn one_file_without_a_network_or_scripts() {
    for language in [Language::Ko, Language::En] {
        let page = fixture::report(language).to_html();
        assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
        for banned in [
            "<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "href=",
        ] {
            assert!(!page.contains(banned), "{banned}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }
}

#[test]
fn tags_are_closed_in_order() {
    for page in [
        fixture::report(Language::Ko).to_html(),
        fixture::hostile(Language::En).to_html(),
    ] {
        let mut open: Vec<String> = Vec::new();
        for tag in page
            .split('<')
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap_or(""))
        {
            let name = tag
                .trim_start_matches('/')
                .split([' ', '/'])
                .next()
                .unwrap_or("")
                .to_owned();
            if tag.starts_with('!') || tag.ends_with('/') || name == "meta" {
                continue;
            }
            match tag.starts_with('/') {
                true => assert_eq!(open.pop().as_deref(), Some(name.as_str())),
                false => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let page = fixture::hostile(Language::En).to_html();
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "a tag came through"
    );
    assert!(page.contains("&lt;script&gt;"));
    assert!(page.chars().all(|c| c == '\n' || !is_active(c)));
}

#[test]
fn an_empty_report_is_a_page_too() {
    assert!(
        fixture::empty(Language::Ko)
            .to_html()
            .contains("주의할 탐지가 없습니다")
    );
}
