//! Made-up benign input: searches, names, sizes, sentences, with the words and signs SQL has too.
//!
//! Real look-alikes are few; these teach that such words among others are prose.

const THINGS: &str = "shoes lamp necklace scarf ring poster sticker dress ribbon button clock bag case wallet mug bowl candle \
    frame pillow sofa curtain ticket seat concert movie album guitar bike tent jacket sweater coat hat boots camera phone cable \
    charger monitor keyboard notebook pencil eraser recipe bread coffee tea rice noodle chicken apple pear river mountain \
    school teacher student friend family brother sister garden flower cat dog horse bird fish wood steel brass silver gold";
const QUALITIES: &str = "red blue green vintage antique handmade small large cheap rustic modern round wide tall happy sad quiet \
    bright dark soft hard wooden ceramic leather cotton woollen plastic Korean French Italian royal local natural organic tiny";
const KEYWORDS: &str = "and or not in on is as by all any like union select table order group set drop insert into values \
    update delete create join from where case when then else end left right inner outer date time day year count max min user index \
    key limit top view char real double binary between having exists true false null cast execute call default replace sleep delay \
    sign power round floor mod div format position first last next repeat reverse if for with to of the a function open close text \
    exec declare master schema database describe grant begin commit match against analyze procedure collate column escape \
    alter benchmark union print wait go use help system current load file print version password name space hour minute second month";
const STOPS: &str = "the a my your for with of to this that it was will have some i we they you are at about what how because";
const FOREIGN: &str = "서울 영화 배우 연기 재미 최고 정말 오늘 사랑 노래 공연 예매 좌석 東京 映画 ありがとう café señor Größe naïve für Москва кино";
const NAMES: &str =
    "O'Neil D'Angelo women's men's it's don't I'm l'amour 1950's kids' parents' rock'n'roll McDonald's";

/// `count` inputs, the same ones each time.
pub fn inputs(count: usize) -> Vec<String> {
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    (0..count).map(|_| input(&mut dice)).collect()
}

/// Marsaglia's xorshift.
pub struct Dice(u64);

impl Dice {
    /// `seed` must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// One of the words of a list.
    pub fn word<'a>(&mut self, list: &'a str) -> &'a str {
        let words: Vec<_> = list.split_ascii_whitespace().collect();
        words[self.below(words.len())]
    }

    /// One of `list`.
    pub fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Numbers and letters with a few signs, as codes, sizes, coordinates and slips of the keyboard are.
fn fragment(dice: &mut Dice) -> String {
    let number = |dice: &mut Dice| dice.below(40).to_string();
    let (a, b, c) = (number(dice), number(dice), number(dice));
    let w = dice.word("a b x y z No. pt ref id ver pcs cm");
    match dice.below(12) {
        0 => format!("{a},{b}{}", dice.pick(&["", "--", "-", ",", ")", " --"])),
        1 => format!("{a},({b})"),
        2 => format!("{a}),({b}"),
        3 => format!("({a})-{w}"),
        4 => format!("\"{a}{}", dice.pick(&["", "-", "--", "\"\"", "\",", " x"])),
        5 => format!("{w}/{}", dice.pick(&["*", "**", "/", "//", "-"])),
        6 => format!("{a};{b};{c};{w};"),
        7 => format!("{w}/{}({a})", dice.word(THINGS)),
        8 => format!("{a}{}({b})", dice.word(THINGS)),
        9 => dice
            .pick(&[
                "`", "\"", "'", "#", "*", "[]", "()", "''", "-", "--", ";", "\"/", "=[]", "{}", "?", ":", "%",
            ])
            .to_owned(),
        10 => format!(
            "{a} {}",
            dice.pick(&["[]", "=[]", "()", ";", ":", "\"", "'", "''", "%", "#"])
        ),
        _ => format!("{w}[{a}]={b}{}", dice.pick(&["", ";", "'", "\""])),
    }
}

/// A word of no language of databases.
pub fn word(dice: &mut Dice) -> String {
    let list = if dice.below(5) == 0 { FOREIGN } else { THINGS };
    dice.word(list).to_owned()
}

fn any_word(dice: &mut Dice) -> String {
    match dice.below(20) {
        0..6 => dice.word(THINGS),
        6..9 => dice.word(QUALITIES),
        9..14 => dice.word(KEYWORDS),
        14..17 => dice.word(STOPS),
        17 => dice.word(NAMES),
        18 => dice.word(FOREIGN),
        _ => return dice.below(300).to_string(),
    }
    .to_owned()
}

fn words(dice: &mut Dice, count: usize) -> String {
    let all: Vec<_> = (0..count).map(|_| any_word(dice)).collect();
    all.join(" ")
}

fn input(dice: &mut Dice) -> String {
    let length = 1 + dice.below(5);
    let (one, two) = (any_word(dice), any_word(dice));
    let (small, large) = (dice.below(30), dice.below(900));
    let thing = dice.word(THINGS);
    let text = match dice.below(26) {
        0..4 => format!("{} {thing}", words(dice, length)),
        4 => format!("{} {thing} {}", words(dice, length), words(dice, length)),
        5 => format!("\"{one} {thing}\" {two}"),
        6 => format!("\"{one}\" and \"{two}\""),
        7 => format!("{thing} {small}\" x {large}\""),
        8 => format!("{one} {small}/{large} {thing}"),
        9 => format!("{thing} -{one} -{two} -{thing}"),
        10 => format!("({one} {two}) {thing}"),
        11 => format!("{one} ({thing}), {two}"),
        12 => format!(
            "{}{}",
            words(dice, length + 2),
            dice.pick(&[
                ".", "!", "?", "...", "!!", ";;", "~~", " ^^", " :(", " :)", " >_<", " <3"
            ])
        ),
        13 => format!("{one}, {two}; {thing} {}", dice.word(STOPS)),
        14 => format!("{} {thing} {} {one}", dice.word(FOREIGN), dice.word(FOREIGN)),
        15 => format!(
            "{}'{}'{}",
            dice.word(FOREIGN),
            dice.word(FOREIGN),
            dice.pick(&["", "!!", " ", ".", "..", "~"])
        ),
        16 => format!("{small}-{large}-{thing}"),
        17 => format!("{small}.{large} {thing} & {one}"),
        18 => format!("{one}: {thing} - {two} #{small}"),
        19 => format!(
            "<{} {}=\"{small}\">{thing} {one}</{}>",
            dice.pick(&["b", "p", "span", "td", "img"]),
            dice.pick(&["width", "class", "border"]),
            dice.pick(&["b", "p", "span", "i"])
        ),
        20 => format!("{}@{}.{}", thing, one, dice.pick(&["com", "net", "co.kr"])),
        21 | 22 => fragment(dice),
        23 => format!(
            "{} {thing} from {} {}",
            dice.pick(&["select", "Select a", "selected", "select the"]),
            dice.word(QUALITIES),
            any_word(dice)
        ),
        24 => format!(
            "{}'{} {} {} {}",
            dice.pick(&["O", "D", "artists", "kids", "l"]),
            dice.pick(&["", " ", "s"]),
            dice.word(KEYWORDS),
            one,
            words(dice, 3)
        ),
        _ => format!(
            "{thing}{}{one}",
            dice.pick(&[
                " + ", " / ", " | ", " & ", ", ", " -- ", " vs. ", ";", " %", "=", " = "
            ])
        ),
    };
    if dice.below(5) == 0 {
        text.to_uppercase()
    } else {
        text
    }
}
