//! Korean. Particles that depend on the entity are chosen when the sentence is filled.

use super::Words;
use crate::family::Family;

pub(super) const REVIEW: &[&str] = &[
    "시작된 때, 알아챈 때, 막은 때를 적어 둡니다.",
    "오탐이었다면 오탐으로 닫고 규칙이나 기준값을 고칩니다.",
    "더 일찍 알 수 있었던 점검을 하나 정해 추가합니다.",
];

/// The table.
pub(super) fn words(family: Family) -> &'static Words {
    match family {
        Family::SqlInjection => &SQL_INJECTION,
        Family::CrossSiteScripting => &CROSS_SITE_SCRIPTING,
        Family::PathTraversal => &PATH_TRAVERSAL,
        Family::CommandInjection => &COMMAND_INJECTION,
        Family::Injection => &INJECTION,
        Family::SensitivePath => &SENSITIVE_PATH,
        Family::ForeignTechnology => &FOREIGN_TECHNOLOGY,
        Family::Probing => &PROBING,
        Family::ScannerAgent => &SCANNER_AGENT,
        Family::Login => &LOGIN,
        Family::Flood => &FLOOD,
        Family::Exfiltration => &EXFILTRATION,
        Family::PortScan => &PORT_SCAN,
        Family::Refusals => &REFUSALS,
        Family::ErrorRate => &ERROR_RATE,
        Family::Surge => &SURGE,
        Family::Cost => &COST,
        Family::Macro => &MACRO,
        Family::Payment => &PAYMENT,
        Family::FakeCrawler => &FAKE_CRAWLER,
        Family::Connection => &CONNECTION,
        Family::Silence => &SILENCE,
        Family::Crawler => &CRAWLER,
        Family::Generic => &GENERIC,
    }
}

const SQL_INJECTION: Words = Words {
    title: "SQL 삽입 시도",
    what: "{who}에서 SQL 구문을 담은 요청을 보냈습니다({n}건).",
    cause: "sqlmap 같은 도구로 매개변수에 SQL 삽입이 되는지 시험하는 것으로 보입니다.",
    actions: &[
        "응답을 확인하세요. 다른 요청은 400·403인데 200이나 500이 나오거나 응답이 유난히 크면 뚫렸을 수 있습니다.",
        "WAF에서 이 주소를 몇 시간 차단하세요.",
        "같은 시각의 데이터베이스 오류 로그와 느린 쿼리 로그를 확인하세요.",
    ],
    contain: &["공격받은 경로의 WAF SQL 삽입 규칙을 집계(count)에서 차단으로 바꿉니다."],
    recover: &[
        "해당 매개변수를 쓰는 쿼리를 준비된 문장(prepared statement)으로 바꿉니다.",
        "데이터가 읽혔을 가능성이 있으면 DB 계정 비밀번호를 바꾸고 노출 범위를 확인합니다.",
    ],
};

const CROSS_SITE_SCRIPTING: Words = Words {
    title: "스크립트 삽입(XSS) 시도",
    what: "{who}에서 스크립트 코드를 담은 요청을 보냈습니다({n}건).",
    cause: "입력값을 그대로 출력하는 페이지를 찾는 것으로 보입니다.",
    actions: &[
        "공격받은 경로에 해롭지 않은 표식을 넣어 그대로 출력되는지 확인하세요.",
        "입력이 저장되는 곳(댓글, 프로필)에 같은 코드가 남아 있는지 찾아보세요.",
        "WAF에서 이 주소를 몇 시간 차단하세요.",
    ],
    contain: &["저장된 스크립트를 페이지에서 지웁니다."],
    recover: &["출력할 때 이스케이프하고 Content-Security-Policy를 추가합니다."],
};

const PATH_TRAVERSAL: Words = Words {
    title: "경로 조작 시도",
    what: "{who}에서 웹 루트 밖의 파일이나 시스템 파일을 읽으려 했습니다({n}건).",
    cause: "파일 매개변수나 `../`를 그대로 따르는 서버를 찾는 것으로 보입니다.",
    actions: &[
        "이 요청들 가운데 상태 200으로 내용이 나간 것이 있는지 확인하세요. 있다면 파일이 전달된 것입니다.",
        "WAF에서 이 주소를 몇 시간 차단하세요.",
    ],
    contain: &["인코딩된 `../`를 프록시나 WAF에서 거부합니다."],
    recover: &["파일이 나갔다면 그 안의 비밀값은 모두 알려진 것으로 보고 바꿉니다."],
};

const COMMAND_INJECTION: Words = Words {
    title: "코드·명령 실행 시도",
    what: "{who}에서 서버의 코드 실행을 노린 요청을 보냈습니다({n}건).",
    cause: "알려진 취약점을 시험하는 것으로, 무차별로 돌아다니는 봇인 경우가 많습니다.",
    actions: &[
        "200으로 응답한 요청이 있는지, 같은 시각에 서버에서 밖으로 나간 연결이 있는지 확인하세요.",
        "새 프로세스, cron 항목, 웹 루트의 새 파일을 찾아보세요.",
        "WAF에서 이 주소를 차단하세요.",
    ],
    contain: &["성공한 흔적이 있으면 서버를 네트워크에서 떼어 내고 디스크를 보존합니다."],
    recover: &["공격받은 구성 요소를 업데이트하고, 의심스러우면 깨끗한 이미지로 다시 만듭니다."],
};

const INJECTION: Words = Words {
    title: "여러 종류의 삽입 공격 시도",
    what: "{who}에서 여러 종류의 공격 코드를 담은 요청을 보냈습니다({n}건).",
    cause: "스캐너나 누군가가 사이트가 위험한 입력을 어떻게 처리하는지 시험하는 것으로 보입니다.",
    actions: &[
        "응답을 확인하세요. 다른 요청은 400·403인데 200이나 500이 나오면 입력 처리가 뚫렸을 수 있습니다.",
        "WAF에서 이 주소를 몇 시간 차단하세요.",
    ],
    contain: &["공격받은 경로의 WAF 관리형 규칙을 집계(count)에서 차단으로 바꿉니다."],
    recover: &["공격받은 경로의 입력 처리를 하나씩 점검합니다."],
};

const SENSITIVE_PATH: Words = Words {
    title: "민감한 파일 요청",
    what: "{who}에서 공개되면 안 되는 파일을 요청했습니다({n}건).",
    cause: "웹 서버에 남은 `.env`, `.git`, 백업, 설정 파일을 모으는 것으로 보입니다.",
    actions: &[
        "200으로 응답한 것이 있는지 확인하세요. 있다면 그 파일은 유출된 것이니 안의 비밀값을 지금 바꾸세요.",
        "계속되면 WAF에서 이 주소를 차단하세요.",
    ],
    contain: &["점(.)으로 시작하는 파일과 백업 확장자를 웹 서버나 CDN에서 거부합니다."],
    recover: &["그런 파일을 웹 루트와 배포 대상에서 뺍니다."],
};

const FOREIGN_TECHNOLOGY: Words = Words {
    title: "쓰지 않는 소프트웨어 탐색",
    what: "{who}에서 이 사이트가 쓰지 않는 것으로 보이는 소프트웨어의 경로를 요청했습니다({n}건).",
    cause: "알려진 취약점을 아무 곳에나 시험하는 봇으로, 대개 인터넷의 일상적인 소음입니다.",
    actions: &[
        "응답이 모두 404나 403이면 급하지 않습니다.",
        "200으로 응답한 것이 있으면 무엇이 응답했는지 찾으세요.",
        "부하가 부담되면 이 주소를 차단하세요.",
    ],
    contain: &["이 경로들이 원본까지 오지 않도록 WAF나 CDN에서 거부합니다."],
    recover: &["해당 소프트웨어가 잊힌 채 설치된 곳이 없는지 확인합니다."],
};

const PROBING: Words = Words {
    title: "경로 탐색",
    what: "{who}에서 없거나 거부되는 경로를 잇달아 요청했습니다({n}건).",
    cause: "스캐너가 사이트 구조를 훑는 중이거나, 깨진 링크 또는 오작동하는 클라이언트일 수 있습니다.",
    actions: &[
        "요청한 경로를 보세요. 단어 목록 같으면 스캐너이고, 한 경로만 반복되면 깨진 링크입니다.",
        "상태 200으로 무엇을 가져갔는지 확인하세요.",
        "WAF에서 이 주소를 몇 시간 차단하세요.",
    ],
    contain: &["주소별 404·403 응답 수에 제한을 둡니다."],
    recover: &["드러난 관리 페이지나 옛 파일을 내리거나 보호합니다."],
};

const SCANNER_AGENT: Words = Words {
    title: "스캐너 User-Agent",
    what: "{who}에서 스스로 취약점 스캐너라고 밝힌 요청을 보냈습니다({n}건).",
    cause: "기본 설정 그대로인 스캔 도구입니다. 의뢰한 점검일 수도 있습니다.",
    actions: &[
        "지금 예정된 보안 점검이 있는지 확인하세요.",
        "없다면 이 주소를 차단하고 그 밖에 무엇을 요청했는지 보세요.",
    ],
    contain: &["이 도구의 User-Agent를 WAF에서 거부합니다."],
    recover: &["스캔한 경로를 외부인이 먼저 살피는 목록으로 삼아 점검합니다."],
};

const LOGIN: Words = Words {
    title: "반복 로그인 시도",
    what: "{who}에서 로그인을 되풀이해 시도했습니다({n}건).",
    cause: "비밀번호를 추측하거나 유출된 목록을 대입하는 것으로 보입니다.",
    actions: &[
        "실패 뒤에 성공한 로그인이 있는지 확인하세요. 있다면 그 계정을 잠그고 세션을 끊으세요.",
        "이 주소를 차단하고 로그인에 횟수 제한이나 CAPTCHA를 두세요.",
    ],
    contain: &["로그인에 성공한 계정을 잠그고 세션을 끊습니다."],
    recover: &["해당 사용자에게 새 비밀번호를 설정하게 하고 2단계 인증을 권합니다."],
};

const FLOOD: Words = Words {
    title: "요청 폭주",
    what: "{who}에서 사람이나 보통 클라이언트보다 훨씬 많은 요청을 보냈습니다({n}건).",
    cause: "폭주 공격, 수집 봇, 부하 시험, 또는 쉬지 않고 재시도하는 클라이언트일 수 있습니다.",
    actions: &[
        "사이트가 제대로 응답하는지 확인하세요(5xx, 응답 시간).",
        "모니터링, 배치 작업, 부하 시험, 협력사처럼 아는 곳인지 확인하세요.",
        "아니라면 이 주소를 차단하거나 WAF에 속도 기반 규칙을 추가하세요.",
    ],
    contain: &["속도 기반 규칙을 추가하고, 가장 많이 맞는 경로를 캐시하거나 보호합니다."],
    recover: &["잠잠해지면 차단을 풀고, 이 트래픽에 든 비용을 확인합니다."],
};

const EXFILTRATION: Words = Words {
    title: "비정상적으로 많은 데이터 전송",
    what: "{who}에서 평소와 다르게 많은 데이터가 오갔습니다({n}건).",
    cause: "대용량 내려받기나 백업일 수도 있고, 데이터가 빠져나가는 것일 수도 있습니다.",
    actions: &[
        "어떤 경로나 호스트로 나갔는지, 예정된 백업이나 내보내기가 있었는지 확인하세요.",
        "아는 사람이 없으면 연결을 끊고 로그를 보존하세요.",
    ],
    contain: &["목적지를 차단하고, 쓰인 계정이나 키를 잠급니다."],
    recover: &["무엇이 나갔는지 확인하고 신고 의무를 검토합니다."],
};

const PORT_SCAN: Words = Words {
    title: "포트 스캔",
    what: "{who}에서 짧은 시간에 많은 포트나 호스트에 접속을 시도했습니다({n}건).",
    cause: "외부 주소라면 대개 인터넷의 일상적인 소음입니다. 내부 주소라면 서버가 장악되었거나 자산 점검 도구가 도는 중일 수 있습니다.",
    actions: &[
        "우리 주소라면 지금 그 서버에서 무엇이 실행 중인지 확인하세요.",
        "외부 주소라면 응답한(ACCEPT) 포트를 확인하고, 열어 둘 필요가 없는 것은 닫으세요.",
    ],
    contain: &["내부라면 서버를 네트워크에서 떼어 내고, 외부라면 네트워크 ACL에서 거부합니다."],
    recover: &["보안 그룹을 필요한 포트만 남기고 줄입니다."],
};

const REFUSALS: Words = Words {
    title: "거부된 요청 다수",
    what: "{who}에서 보낸 요청이 잇달아 거부되었습니다({n}건).",
    cause: "막히고 있는 공격자이거나, 규칙이 정상 사용자를 막는 것일 수 있습니다.",
    actions: &[
        "어느 규칙이 거부하는지, 요청이 사용자처럼 보이는지 공격처럼 보이는지 확인하세요.",
        "사용자가 막혔다면 그 규칙을 집계(count)로 바꾸세요. 아니라면 이미 막고 있으니 급하지 않습니다.",
    ],
    contain: &["차단을 유지하고, 계속되면 기간을 늘립니다."],
    recover: &["사용자를 막은 규칙을 고치고 영향받은 사용자에게 알립니다."],
};

const ERROR_RATE: Words = Words {
    title: "오류율 상승",
    what: "{who}에서 실패한 요청의 비율이 올랐습니다(집계한 요청 {n}건).",
    cause: "배포, 원본 서버 장애, 연결된 서비스의 중단, 또는 오류를 일으키는 공격일 수 있습니다.",
    actions: &[
        "5xx(우리 쪽)인지 4xx(클라이언트 쪽)인지, 어느 경로인지 확인하세요.",
        "직전에 배포한 것이 있으면 되돌리세요.",
        "원본 서버와 연결된 서비스의 상태를 확인하세요.",
    ],
    contain: &["배포를 되돌리거나 실패하는 원본을 빼냅니다."],
    recover: &["같은 시각의 애플리케이션 로그에서 원인을 찾습니다."],
};

const SURGE: Words = Words {
    title: "트래픽 급증",
    what: "{who}의 트래픽이 평소 수준을 크게 넘었습니다(집계한 요청 {n}건).",
    cause: "행사나 기사 링크, 크롤러, 또는 분산 폭주 공격일 수 있습니다.",
    actions: &[
        "많은 주소가 여러 페이지를 찾으면 방문자이고, 몇몇 주소나 한 경로에 몰리면 공격입니다.",
        "예정된 행사나 홍보가 있었는지 확인하세요.",
        "오류와 응답 시간을 지켜보고, 필요하면 늘리거나 캐시하세요.",
    ],
    contain: &["공격이라면 속도 기반 규칙을 두거나, 몰리는 경로에 확인 절차(challenge)를 둡니다."],
    recover: &["이번에 알게 된 수준으로 용량과 경보 기준을 맞춥니다."],
};

const COST: Words = Words {
    title: "비용을 부풀리는 트래픽",
    what: "{who}의 요청에 보통 방문자보다 훨씬 많은 비용이 들었습니다({n}건).",
    cause: "큰 파일 반복 내려받기, 캐시를 피하는 임의 쿼리, 느리거나 주기적인 부하로 요금을 늘리려는 것으로 보입니다. 알려지지 않은 제휴사나 빌드 서버일 수도 있습니다.",
    actions: &[
        "추정 비용과 24시간 계속될 때의 금액을 보고 급한 정도를 판단하세요.",
        "누구의 주소인지 확인하세요. 제휴사나 내부 장비라면 기한을 정해 예외로 등록하세요.",
        "WAF에서 이 주소의 속도를 제한하거나 차단하세요. 차단한 요청에도 WAF 요금은 들지만 전송 요금은 들지 않습니다.",
    ],
    contain: &[
        "쓰지 않는 쿼리 매개변수를 캐시 키에서 빼고, 쓰지 않는 범위 요청과 매개변수는 거절합니다.",
        "큰 파일은 기한이 있는 서명 URL로 제공합니다.",
    ],
    recover: &["이 기간의 청구액을 추정과 견주어 보고 예산 알림을 설정합니다."],
};

const MACRO: Words = Words {
    title: "매크로 또는 자동화된 클라이언트",
    what: "{who}에서 사람이 아니라 스크립트처럼 움직입니다({n}건).",
    cause: "예매 매크로, 수집기, 또는 협력사의 스크립트입니다. 무엇 때문에 그렇게 보였는지는 근거에 적혀 있습니다.",
    actions: &[
        "이 세션과 계정의 주문은 사람이 살펴볼 때까지 보류하세요.",
        "근거에 나온 경로에 CAPTCHA나 대기열 토큰을 요구하세요.",
        "주소 차단은 다른 사람이 같이 쓰지 않을 때만 하세요. 사무실과 통신사는 주소를 함께 씁니다.",
    ],
    contain: &["한 세션이나 계정이 좌석과 결제를 요청하는 횟수를 제한합니다."],
    recover: &["약관이 허락하면 스크립트로 산 표를 취소하고 좌석을 돌려놓습니다."],
};

const PAYMENT: Words = Words {
    title: "순서가 어긋난 결제",
    what: "{who}에서 다른 사람들이 거치는 단계 없이 결제를 요청했습니다({n}건).",
    cause: "결제 API를 직접 부르거나, 요청을 되풀이하거나, 카드를 시험하는 것으로 보입니다.",
    actions: &[
        "이 세션이나 계정의 주문과 실제 결제 내역을 맞춰 보세요.",
        "거절된 결제가 많으면 결제 대행사에 알리세요. 훔친 카드를 시험하는 것일 수 있습니다.",
    ],
    contain: &["같은 세션의 새 주문이 없는 결제 요청은 거부합니다."],
    recover: &["결제되지 않은 주문을 취소하고 가격을 서버에서 확인하게 합니다."],
};

const FAKE_CRAWLER: Words = Words {
    title: "가짜 크롤러",
    what: "{who}에서 실제와 다른 크롤러의 이름을 씁니다({n}건).",
    cause: "수집기나 스캐너가 검색 엔진인 척 통과하려는 것입니다.",
    actions: &[
        "이 주소를 차단하세요. 진짜 크롤러는 다른 곳에서 오므로 잃는 것이 없습니다.",
        "무엇을 요청했는지 보세요. 가격인지, 계정인지, 취약점인지.",
    ],
    contain: &["크롤러의 이름은 확인된 주소만 쓸 수 있게 합니다."],
    recover: &["User-Agent만 보고 허용하던 예외를 없앱니다."],
};

const CONNECTION: Words = Words {
    title: "평소에 없던 접속",
    what: "{who}에 이 네트워크에서 평소에 없던 접속이 있습니다({n}건).",
    cause: "열릴 때까지 시도한 침입, 바깥으로 연락하는 프로그램, 또는 알리지 않은 새 서비스일 수 있습니다.",
    actions: &[
        "서버의 담당자를 찾아 그 서비스가 바깥에 열려 있어야 하는지 확인하세요.",
        "같은 시각의 로그인과 실행 중인 프로그램을 확인하세요.",
        "필요하지 않으면 바깥으로 열린 포트를 닫으세요.",
    ],
    contain: &["무엇을 하는지 아무도 모르면 그 서버를 인터넷에서 끊습니다."],
    recover: &["서버에 있던 자격 증명을 바꾸고, 침입이 있었다면 새로 만듭니다."],
};

const SILENCE: Words = Words {
    title: "멈춘 로그",
    what: "{who}에서 더는 로그가 오지 않습니다.",
    cause: "전송 프로그램이 멈췄거나, 권한이나 키가 끝났거나, 디스크가 찼거나, 서비스가 내려갔을 수 있습니다.",
    actions: &[
        "`haetae doctor`를 실행해 소스에 닿는지 확인하세요.",
        "서비스가 사용자에게 응답하는지 확인하세요.",
        "고장이 아니면 누가 로그를 껐는지 알아보세요. 공격자도 그렇게 합니다.",
    ],
    contain: &["다시 올 때까지 그 서비스를 다른 방법으로 지켜봅니다."],
    recover: &["비어 있는 동안의 로그를 남아 있는 곳에서 가져옵니다."],
};

const CRAWLER: Words = Words {
    title: "자동 클라이언트",
    what: "{who는} 자동으로 움직이는 클라이언트입니다({n}건).",
    cause: "검색 엔진, 링크 미리보기, 모니터링, 또는 정해진 절차를 도는 봇입니다.",
    actions: &[
        "급하지 않습니다. 너무 많으면 robots.txt나 속도 제한을 쓰세요.",
        "User-Agent의 이름은 증거가 아닙니다. 허용하기 전에 역방향 DNS로 확인하세요.",
    ],
    contain: &["속도를 제한합니다."],
    recover: &["받아들일 봇을 허용 목록에 적어 둡니다."],
};

const GENERIC: Words = Words {
    title: "규칙 일치",
    what: "{who}: {rule} ({n}건).",
    cause: "무엇을 찾는 규칙인지는 규칙의 설명에 적혀 있습니다.",
    actions: &[
        "근거로 남은 로그를 읽고, 아는 클라이언트나 서버인지 확인하세요.",
        "앞뒤 한 시간 동안 같은 주소나 계정이 무엇을 했는지 찾아보세요.",
    ],
    contain: &["악의적이라면 WAF나 방화벽에서 차단합니다."],
    recover: &["바뀐 것을 되돌리고, 들어온 길을 막습니다."],
};
