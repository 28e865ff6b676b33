//! What Synapse's own administration says. Invariant: nothing of ours is asked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::server::Synapse;

/// What Synapse's administration says.
pub struct Audit {
    /// Rooms in which somebody is, with who is in them or invited.
    pub rooms: Vec<(String, BTreeMap<String, String>)>,
    /// How many devices each account has.
    pub accounts: BTreeMap<String, usize>,
}

impl Audit {
    pub async fn of(synapse: &Synapse) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = synapse.admin_token(&http).await.unwrap();
        let get = async |path: String| -> Value {
            let url = format!("{}/_synapse/admin/{path}", synapse.url());
            http.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap()
        };
        let mut rooms = Vec::new();
        for room in get("v1/rooms?limit=1000".to_owned()).await["rooms"].as_array().unwrap() {
            if room["joined_members"] == 0 {
                continue;
            }
            let state = get(format!("v1/rooms/{}/state", room["room_id"].as_str().unwrap())).await;
            let members = state["state"].as_array().unwrap().iter().filter(|it| it["type"] == "m.room.member");
            let members = members.map(|it| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&it["state_key"]), text(&it["content"]["membership"]))
            });
            rooms.push((room["name"].as_str().unwrap_or_default().to_owned(), members.collect()));
        }
        let mut accounts = BTreeMap::new();
        for user in get("v2/users?limit=1000&deactivated=true".to_owned()).await["users"].as_array().unwrap() {
            let name = user["name"].as_str().unwrap().to_owned();
            let of_user = get(format!("v2/users/{}/devices", name.replace(':', "%3A"))).await;
            accounts.insert(name, of_user["devices"].as_array().unwrap().len());
        }
        Self { rooms, accounts }
    }

    /// How many devices the accounts have whose names begin like this.
    pub fn devices_of(&self, beginning: &str) -> usize {
        let beginning = format!("@{beginning}");
        self.accounts.iter().filter(|(name, _)| name.starts_with(&beginning)).map(|(_, devices)| devices).sum()
    }
}
