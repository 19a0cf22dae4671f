//! Korean particles, chosen by how the word before them ends when read aloud.

/// The particles that have two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Josa {
    /// 은 / 는
    Topic,
    /// 이 / 가
    Subject,
    /// 을 / 를
    Object,
    /// 과 / 와
    And,
    /// 으로 / 로
    By,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Vowel,
    Rieul,
    Consonant,
}

/// `word` with the fitting form of the particle: `192.0.2.1은`, `192.0.2.2는`, `해태가`.
///
/// Digits are read in Sino-Korean, Latin letters by their names; trailing marks are skipped.
pub fn with_particle(word: &str, josa: Josa) -> String {
    let ending = ending(word);
    let closed = ending != Ending::Vowel;
    let particle = match josa {
        Josa::Topic if closed => "은",
        Josa::Topic => "는",
        Josa::Subject if closed => "이",
        Josa::Subject => "가",
        Josa::Object if closed => "을",
        Josa::Object => "를",
        Josa::And if closed => "과",
        Josa::And => "와",
        Josa::By if ending == Ending::Consonant => "으로",
        Josa::By => "로",
    };
    format!("{word}{particle}")
}

fn ending(word: &str) -> Ending {
    let Some(last) = word.chars().rev().find(|c| c.is_alphanumeric()) else {
        return Ending::Vowel;
    };
    match last {
        '가'..='힣' => match (last as u32 - '가' as u32) % 28 {
            0 => Ending::Vowel,
            8 => Ending::Rieul,
            _ => Ending::Consonant,
        },
        // 일, 칠, 팔; 영, 삼, 육.
        '1' | '7' | '8' => Ending::Rieul,
        '0' | '3' | '6' => Ending::Consonant,
        // 엘, 알; 엠, 엔.
        'l' | 'r' | 'L' | 'R' => Ending::Rieul,
        'm' | 'n' | 'M' | 'N' => Ending::Consonant,
        _ => Ending::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_follow_the_reading() {
        for (word, topic, by) in [
            ("해태", "해태는", "해태로"),
            ("사건", "사건은", "사건으로"),
            ("서울", "서울은", "서울로"),
            ("203.0.113.9", "203.0.113.9는", "203.0.113.9로"),
            ("192.0.2.1", "192.0.2.1은", "192.0.2.1로"),
            ("192.0.2.10", "192.0.2.10은", "192.0.2.10으로"),
            ("2001:db8::", "2001:db8::은", "2001:db8::로"),
            ("", "는", "로"),
            ("'", "'는", "'로"),
        ] {
            assert_eq!(with_particle(word, Josa::Topic), topic);
            assert_eq!(with_particle(word, Josa::By), by);
        }
    }
}
