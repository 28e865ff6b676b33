//! The page in a browser, before a running controller: it lists, filters, follows and asks, by keyboard, on a phone and on a desk, light and dark.

mod chromium;
#[path = "../shop/mod.rs"]
mod shop;

use chromium::{Chromium, ENTER, ESCAPE, TAB, WIDTHS};
use durable_fsm_admin::Token;
use serde_json::json;
use shop::{MACHINE, Mood, Shop};

const HOSTILE: &str = "<img src=x onerror='window.hacked=1'>\u{202e}";

/// The page before a shop. None if the browser is to be left out.
async fn begin(shop: &mut Shop) -> Option<(Chromium, String)> {
    if !chromium::is_there() {
        return None;
    }
    let address = shop.serve(|admin| admin).await;
    let page = Chromium::start().await;
    Some((page, format!("http://{address}/")))
}

/// The address of one order.
fn address_of(base: &str, name: &str) -> String {
    format!("{base}#/{}/shop/{name}", MACHINE.replace('/', "%2F"))
}

const ROWS: &str = "document.querySelectorAll('#rows tr').length";

#[tokio::test]
async fn resources_are_filtered_and_opened_by_keyboard() {
    let mut shop = Shop::open();
    let Some((page, base)) = begin(&mut shop).await else { return };
    shop.bank.is("blue", Mood::Refusing("card expired".to_owned()));
    for name in ["blue", "green", "white"] {
        shop.order(name);
    }
    shop.until_in("blue", "Reserved", "blocked").await;
    shop.until_in("white", "Shipped", "ready").await;
    page.open(&base).await;
    page.until(&format!("{ROWS} === 3")).await;
    assert_eq!(page.text("document.querySelector('#counts').textContent").await, "3 resources");
    // One that comes later is listed without a reload.
    shop.order("yellow");
    page.until(&format!("{ROWS} === 4")).await;

    page.tab_to("#text").await;
    page.press("expired".chars()).await;
    page.until(&format!("{ROWS} === 1")).await;
    assert_eq!(page.text("document.querySelector('#counts').textContent").await, "1 of 4 resources");
    assert_eq!(page.text("document.querySelector('#rows a').textContent").await, "shop/blue");
    page.tab_to("#phases button[value=ready]").await;
    page.press([ENTER]).await;
    page.until(&format!("{ROWS} === 0")).await;
    page.tab_to("#phases button[value=blocked]").await;
    page.press([' ']).await;
    page.until(&format!("{ROWS} === 1")).await;
    assert_eq!(page.text("document.activeElement.getAttribute('aria-pressed')").await, "true");
    page.tab_to("#rows a").await;
    page.press([ENTER]).await;
    page.until("document.querySelector('#standing').textContent.includes('blocked in Reserved')").await;
    assert_eq!(page.text("document.activeElement.id").await, "name", "a screen reader is told where it is");
    assert!(page.text("document.querySelector('#message').textContent").await.contains("card expired"));
    assert!(page.text("document.querySelector('#runbook a').href").await.ends_with("/docs/runbook/rejected.md"));
    assert!(page.text("document.querySelector('#history').textContent").await.contains("Reserved by reserve"));
    page.tab_to("#back").await;
    page.press([ENTER]).await;
    page.until("!document.querySelector('#all').hidden && document.querySelector('#one').hidden").await;
    page.close().await;
    shop.close().await;
}

#[tokio::test]
async fn the_diagram_follows_a_transition() {
    let mut shop = Shop::open();
    let Some((page, base)) = begin(&mut shop).await else { return };
    shop.bank.is("blue", Mood::Closed);
    shop.order("blue");
    shop.until_in("blue", "Charged", "progressing").await;
    page.open(&address_of(&base, "blue")).await;
    page.until("document.querySelector('#picture').alt.includes('is progressing in Charged')").await;
    page.until("document.querySelector('#picture').complete && document.querySelector('#picture').naturalWidth > 0")
        .await;
    assert!(page.text("document.querySelector('#waits').textContent").await.contains("ship: attempt 1"));
    let before = page.text("document.querySelector('#picture').src").await;
    shop.bank.is_well("blue");
    page.until("document.querySelector('#picture').alt.includes('is ready in Shipped')").await;
    page.until("document.querySelector('#standing').textContent.includes('ready in Shipped')").await;
    page.until(&format!("document.querySelector('#picture').src !== {}", json!(before))).await;
    assert!(page.text("document.querySelector('#facts').textContent").await.contains("parcel of blue"));
    shop.cancel("blue");
    page.until("document.querySelector('#standing').textContent.includes('gone')").await;
    page.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_verb_says_what_will_happen_before_it_is_carried_out() {
    let mut shop = Shop::open();
    let Some((page, base)) = begin(&mut shop).await else { return };
    shop.bank.is("red", Mood::Silent);
    shop.order("red");
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    shop.until_in("red", "Reserved", "held").await;
    page.open(&address_of(&base, "green")).await;
    page.until("document.querySelector('#asks button')").await;

    page.tab_to("#asks button").await;
    page.press([ENTER]).await;
    let said = "document.querySelector('#ask-will').textContent";
    page.until(&format!("{said} === 'What will happen: no pass runs until it is resumed, not even for deletion'"))
        .await;
    assert_eq!(page.text("document.activeElement.id").await, "ask-close", "nothing happens by mistake");
    page.press([ESCAPE]).await;
    page.until("!document.querySelector('#ask').open").await;
    assert_eq!(page.text("document.activeElement.textContent").await, "Pause", "the focus is where it was");
    shop.until_in("green", "Shipped", "ready").await;

    page.press([ENTER]).await;
    page.until("!document.querySelector('#ask-do').disabled").await;
    page.tab_to("#ask-do").await;
    page.press([ENTER]).await;
    page.until(&format!("{said}.startsWith('Done: no pass runs')")).await;
    shop.until_in("green", "Shipped", "paused").await;
    assert_eq!(page.text("document.activeElement.id").await, "ask-close");
    page.press([ENTER]).await;
    page.until("document.querySelector('#standing').textContent.includes('paused')").await;
    page.until("document.querySelector('#asks').textContent === 'Resume'").await;

    page.look(820, "light").await;
    page.open(&base).await;
    page.until(&format!("{ROWS} === 2")).await;
    page.keep("all").await;
    // A verb with values: what will happen follows what is typed.
    page.open(&address_of(&base, "red")).await;
    page.until("document.querySelector('#asks').textContent.startsWith('It happened')").await;
    page.until("document.querySelector('#picture').naturalWidth > 0").await;
    page.keep("one").await;
    page.tab_to("#asks button").await;
    page.press([ENTER]).await;
    page.until("document.querySelector('#ask').open").await;
    assert_eq!(page.text("document.activeElement.name").await, "receipt");
    page.press("r-17".chars().chain([TAB]).chain("many".chars())).await;
    page.until(&format!("{said}.startsWith('Refused: ')")).await;
    assert_eq!(page.value("document.querySelector('#ask-do').disabled").await, json!(true));
    page.press("\u{e003}\u{e003}\u{e003}\u{e003}90".chars()).await;
    page.until(&format!("{said}.includes('happened with') && {said}.includes('receipt = \"r-17\"')")).await;
    page.until("!document.querySelector('#ask-do').disabled").await;
    page.press([ENTER]).await;
    page.until(&format!("{said}.startsWith('Done: records that `charge` happened')")).await;
    shop.until_in("red", "Shipped", "ready").await;
    assert!(!shop.bank.has_charged("red"));
    page.close().await;
    shop.close().await;
}

#[tokio::test]
async fn it_fits_a_phone_and_a_desk_and_texts_stay_texts() {
    let mut shop = Shop::open();
    let Some((page, base)) = begin(&mut shop).await else { return };
    let message = format!("{} \"><script>window.hacked=2</script>", "a-word-without-an-end".repeat(20));
    shop.bank.is(HOSTILE, Mood::Refusing(message));
    shop.bank.is("blue", Mood::Refusing("card expired; ask the customer for another one".to_owned()));
    shop.bank.is("red", Mood::Silent);
    shop.bank.is("white", Mood::Closed);
    for name in ["blue", "green", "red", "white", HOSTILE] {
        shop.order(name);
    }
    shop.until_in("green", "Shipped", "ready").await;
    shop.until_in(HOSTILE, "Reserved", "blocked").await;
    shop.until_in("red", "Reserved", "held").await;
    for width in WIDTHS {
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            page.look(width, scheme).await;
            page.open("about:blank").await;
            page.open(&base).await;
            page.until(&format!("{ROWS} === 5")).await;
            fits(&page, width, "list", scheme).await;
            grounds.push(page.text("getComputedStyle(document.documentElement).backgroundColor").await);
            page.value("location.hash = [...document.querySelectorAll('#rows a')].find((a) => a.textContent.includes('img')).hash").await;
            page.until("document.querySelector('#message').textContent.includes('a-word')").await;
            fits(&page, width, "hostile", scheme).await;
            page.open(&address_of(&base, "red")).await;
            page.until("document.querySelector('#standing').textContent.includes('held in Reserved')").await;
            page.until("document.querySelector('#picture').naturalWidth > 0").await;
            fits(&page, width, "held", scheme).await;
            page.tab_to("#asks button").await;
            page.press([ENTER]).await;
            page.until("document.querySelector('#ask').open").await;
            fits(&page, width, "dialog", scheme).await;
            page.press([ESCAPE]).await;
        }
        assert_ne!(grounds[0], grounds[1], "the scheme is followed");
    }
    assert_eq!(page.value("window.hacked ?? null").await, json!(null));
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.close().await;
    shop.close().await;
}

/// Nothing goes beyond the sides, and everything that is used has a name.
async fn fits(page: &Chromium, width: u32, view: &str, scheme: &str) {
    page.keep(&format!("{view}-{width}-{scheme}")).await;
    let widths = page.value("[document.documentElement.scrollWidth, innerWidth]").await;
    assert!(widths[0].as_u64() <= widths[1].as_u64() && widths[1] == width, "{view} at {width}: {widths}");
    let beyond = "[...document.querySelectorAll('body *')].filter((it) => it.getClientRects().length && !it.closest('pre, .skip, thead')
        && (it.getBoundingClientRect().right > innerWidth + 1 || it.getBoundingClientRect().left < -1)).map((it) => it.outerHTML.slice(0, 80))";
    assert_eq!(page.value(beyond).await, json!([]), "{view} at {width}");
    let used = ["button", "link", "textbox", "searchbox", "combobox", "image", "img", "dialog", "table"];
    let unnamed: Vec<_> =
        page.accessible().await.into_iter().filter(|(role, name)| used.contains(&&**role) && name.is_empty()).collect();
    assert!(unnamed.is_empty(), "{view} at {width}: {unnamed:?}");
}

#[tokio::test]
async fn the_page_asks_for_the_token_and_forgets_it() {
    if !chromium::is_there() {
        return;
    }
    let mut shop = Shop::open();
    shop.order("green");
    shop.until_in("green", "Shipped", "ready").await;
    let address = shop.serve(|admin| admin.token(Token::new("0f6b7c1d9a3e5f80").unwrap())).await;
    let page = Chromium::start().await;
    page.open(&format!("http://{address}/")).await;
    page.until("document.querySelector('#login').open").await;
    page.press("0f6b7c1d9a3e5f81".chars().chain([ENTER])).await;
    page.until("document.querySelector('#login-problem').textContent.includes('refused')").await;
    page.press("0f6b7c1d9a3e5f80".chars().chain([ENTER])).await;
    page.until(&format!("{ROWS} === 1 && !document.querySelector('#login').open")).await;
    let kept = page.value("[location.href, localStorage.length, sessionStorage.length, document.cookie]").await;
    assert_eq!(kept, json!([format!("http://{address}/"), 0, 0, ""]));
    page.open(&format!("http://{address}/")).await;
    page.until("document.querySelector('#login').open").await;
    page.close().await;
    shop.close().await;
}
