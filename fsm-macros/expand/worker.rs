// Written by the derive; see `src/expand.rs`.

///Nothing exists yet.
pub struct Requested {
    made_by_start_of_requested: ::durable_fsm::__private::Sealed<RequestedData>,
}
///What is known in [`Requested`]; read through it.
#[allow(dead_code)]
pub struct RequestedData {}
///The worker has a Matrix account. Its id stays taken forever, so the account stays, and is signed out.
pub struct AccountRegistered {
    made_by_from_account_registered: ::durable_fsm::__private::Sealed<
        AccountRegisteredData,
    >,
}
///What is known in [`AccountRegistered`]; read through it.
#[allow(dead_code)]
pub struct AccountRegisteredData {
    ///The full Matrix id.
    pub user_id: String,
}
///The worker has its room, and nobody but the administrator is in it. Admitting somebody who is a member already changes nothing, so this may be repeated.
pub struct RoomCreated {
    made_by_from_room_created: ::durable_fsm::__private::Sealed<RoomCreatedData>,
}
///What is known in [`RoomCreated`]; read through it.
#[allow(dead_code)]
pub struct RoomCreatedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
}
///The worker is in its room, and the manager is invited.
pub struct MembersAdmitted {
    made_by_from_members_admitted: ::durable_fsm::__private::Sealed<MembersAdmittedData>,
}
///What is known in [`MembersAdmitted`]; read through it.
#[allow(dead_code)]
pub struct MembersAdmittedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
}
///The gateway knows the worker's key.
pub struct ConsumerCreated {
    made_by_from_consumer_created: ::durable_fsm::__private::Sealed<ConsumerCreatedData>,
}
///What is known in [`ConsumerCreated`]; read through it.
#[allow(dead_code)]
pub struct ConsumerCreatedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
    ///The consumer's name.
    pub consumer: String,
}
///The worker may use the AI route.
pub struct RouteAuthorized {
    made_by_from_route_authorized: ::durable_fsm::__private::Sealed<RouteAuthorizedData>,
}
///What is known in [`RouteAuthorized`]; read through it.
#[allow(dead_code)]
pub struct RouteAuthorizedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
    ///The consumer's name.
    pub consumer: String,
    ///The route that allows it.
    pub route: String,
}
///The configuration is made; its secrets are added when it is pushed.
pub struct ConfigGenerated {
    made_by_from_config_generated: ::durable_fsm::__private::Sealed<ConfigGeneratedData>,
}
///What is known in [`ConfigGenerated`]; read through it.
#[allow(dead_code)]
pub struct ConfigGeneratedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
    ///The consumer's name.
    pub consumer: String,
    ///The route that allows it.
    pub route: String,
    ///A digest of what the configuration depends on.
    pub config: String,
}
///The configuration is in the store; skills are pushed one by one.
pub struct ConfigPushed {
    made_by_from_config_pushed: ::durable_fsm::__private::Sealed<ConfigPushedData>,
}
///What is known in [`ConfigPushed`]; read through it.
#[allow(dead_code)]
pub struct ConfigPushedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
    ///The consumer's name.
    pub consumer: String,
    ///The route that allows it.
    pub route: String,
    ///A digest of what the configuration depends on.
    pub config: String,
    ///Where the worker's objects lie.
    pub prefix: String,
    ///The object of each skill.
    pub skills: Each<String, String>,
}
///The container runs. Rests here until the spec changes.
pub struct Ready {
    made_by_from_ready: ::durable_fsm::__private::Sealed<ReadyData>,
}
///What is known in [`Ready`]; read through it.
#[allow(dead_code)]
pub struct ReadyData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
    ///The consumer's name.
    pub consumer: String,
    ///The route that allows it.
    pub route: String,
    ///A digest of what the configuration depends on.
    pub config: String,
    ///Where the worker's objects lie.
    pub prefix: String,
    ///The object of each skill.
    pub skills: Each<String, String>,
    ///The digest of the configuration that was pushed last.
    pub applied: String,
    ///The container's id, by the digest of its configuration.
    pub containers: Each<String, String>,
}
///Where a resource of [`WorkerFlow`] is.
#[allow(dead_code, clippy::large_enum_variant)]
pub enum WorkerState {
    ///Nothing exists yet.
    Requested(Requested),
    ///The worker has a Matrix account. Its id stays taken forever, so the account stays, and is signed out.
    AccountRegistered(AccountRegistered),
    ///The worker has its room, and nobody but the administrator is in it. Admitting somebody who is a member already changes nothing, so this may be repeated.
    RoomCreated(RoomCreated),
    ///The worker is in its room, and the manager is invited.
    MembersAdmitted(MembersAdmitted),
    ///The gateway knows the worker's key.
    ConsumerCreated(ConsumerCreated),
    ///The worker may use the AI route.
    RouteAuthorized(RouteAuthorized),
    ///The configuration is made; its secrets are added when it is pushed.
    ConfigGenerated(ConfigGenerated),
    ///The configuration is in the store; skills are pushed one by one.
    ConfigPushed(ConfigPushed),
    ///The container runs. Rests here until the spec changes.
    Ready(Ready),
}
#[allow(dead_code)]
impl WorkerState {
    ///The state's name, as in the declaration and in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "Requested",
            Self::AccountRegistered(_) => "AccountRegistered",
            Self::RoomCreated(_) => "RoomCreated",
            Self::MembersAdmitted(_) => "MembersAdmitted",
            Self::ConsumerCreated(_) => "ConsumerCreated",
            Self::RouteAuthorized(_) => "RouteAuthorized",
            Self::ConfigGenerated(_) => "ConfigGenerated",
            Self::ConfigPushed(_) => "ConfigPushed",
            Self::Ready(_) => "Ready",
        }
    }
}
///One attempt at an effect of [`WorkerFlow`].
#[allow(dead_code)]
pub type WorkerAttempt = ::durable_fsm::__private::Attempt<Worker>;
///Runs [`WorkerFlow`] with the transitions `T`.
#[allow(dead_code)]
pub type WorkerRunner<T> = ::durable_fsm::Runner<WorkerFlow, T>;
///What [`WorkerFlow`] does to the world: one method for each transition and for each look-up, undo, abort, guard and wanted set.
#[allow(dead_code, clippy::ptr_arg)]
pub trait WorkerTransitions: ::core::marker::Send + ::core::marker::Sync + 'static {
    ///What goes wrong; `Classify` says what it means for the effect.
    type Error: ::durable_fsm::__private::Classify;
    ///The step from Requested.
    fn register_account(
        &self,
        from: Requested,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<AccountRegistered, Self::Error>,
    >;
    ///Undoes what `register_account` made. Finding nothing is success.
    fn sign_out(
        &self,
        made: &AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The step from AccountRegistered.
    fn create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<RoomCreated, Self::Error>,
    >;
    ///Asks the provider whether what `create_room` makes is there.
    fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<
            ::durable_fsm::__private::Lookup<RoomCreated>,
            Self::Error,
        >,
    >;
    ///Undoes what `create_room` made. Finding nothing is success.
    fn close_room(
        &self,
        made: &RoomCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///Removes whatever an attempt at `create_room` may have made. Finding nothing is success.
    fn clear_rooms(
        &self,
        from: &AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The step from RoomCreated.
    fn admit_members(
        &self,
        from: RoomCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<MembersAdmitted, Self::Error>,
    >;
    ///The step from MembersAdmitted.
    fn create_consumer(
        &self,
        from: MembersAdmitted,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<ConsumerCreated, Self::Error>,
    >;
    ///Undoes what `create_consumer` made. Finding nothing is success.
    fn delete_consumer(
        &self,
        made: &ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The step from ConsumerCreated.
    fn authorize_route(
        &self,
        from: ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<RouteAuthorized, Self::Error>,
    >;
    ///Undoes what `authorize_route` made. Finding nothing is success.
    fn deauthorize_route(
        &self,
        made: &RouteAuthorized,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The step from RouteAuthorized; it touches nothing outside the record.
    fn generate_config(
        &self,
        from: RouteAuthorized,
        attempt: &WorkerAttempt,
    ) -> ::core::result::Result<ConfigGenerated, Self::Error>;
    ///The step from ConfigGenerated.
    fn push_config(
        &self,
        from: ConfigGenerated,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<ConfigPushed, Self::Error>,
    >;
    ///Undoes what `push_config` made. Finding nothing is success.
    fn remove_config(
        &self,
        made: &ConfigPushed,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///Makes one member of the set, in ConfigPushed or Ready.
    fn push_skill(
        &self,
        at: &ConfigPushed,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<::core::result::Result<String, Self::Error>>;
    ///Undoes what `push_skill` made. Finding nothing is success.
    fn remove_skill(
        &self,
        at: &ConfigPushed,
        subject: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The members that the set is to have; `push_skill` runs for those that are missing.
    fn skills(
        &self,
        at: &ConfigPushed,
        resource: &Worker,
    ) -> ::std::collections::BTreeSet<String>;
    ///The step from ConfigPushed; it touches nothing outside the record.
    fn enter_service(
        &self,
        from: ConfigPushed,
        attempt: &WorkerAttempt,
    ) -> ::core::result::Result<Ready, Self::Error>;
    ///Makes one member of the set, in Ready.
    fn run_container(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<::core::result::Result<String, Self::Error>>;
    ///Asks the provider whether what `run_container` makes is there.
    fn lookup_run_container(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Lookup<String>, Self::Error>,
    >;
    ///Undoes what `run_container` made. Finding nothing is success.
    fn stop_container(
        &self,
        at: &Ready,
        subject: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///Removes whatever an attempt at `run_container` may have made. Finding nothing is success.
    fn clear_containers(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<
        ::core::result::Result<::durable_fsm::__private::Undone, Self::Error>,
    >;
    ///The members that the set is to have; `run_container` runs for those that are missing.
    fn containers(
        &self,
        at: &Ready,
        resource: &Worker,
    ) -> ::std::collections::BTreeSet<String>;
    ///The step from Ready.
    fn apply_spec(
        &self,
        from: Ready,
        attempt: &WorkerAttempt,
    ) -> impl ::durable_fsm::SendFuture<::core::result::Result<Ready, Self::Error>>;
    ///Whether `apply_spec` is to run: what is recorded against what is wanted.
    fn spec_changed(&self, at: &Ready, resource: &Worker) -> bool;
}
#[allow(
    dead_code,
    unused_variables,
    clippy::match_single_binding,
    clippy::self_named_constructors
)]
const _: () = {
    use ::durable_fsm::__private::short::*;
    #[allow(
        dead_code,
        unreachable_code,
        unused_variables,
        clippy::diverging_sub_expression,
        clippy::empty_loop
    )]
    fn declared(it: WorkerFlow) -> WorkerFlow {
        match it {
            WorkerFlow::Requested {} => {
                WorkerFlow::AccountRegistered {
                    user_id: loop {},
                }
            }
            WorkerFlow::AccountRegistered { user_id } => {
                WorkerFlow::RoomCreated {
                    room_id: loop {},
                }
            }
            WorkerFlow::RoomCreated { room_id } => WorkerFlow::MembersAdmitted {},
            WorkerFlow::MembersAdmitted {} => {
                WorkerFlow::ConsumerCreated {
                    consumer: loop {},
                }
            }
            WorkerFlow::ConsumerCreated { consumer } => {
                WorkerFlow::RouteAuthorized {
                    route: loop {},
                }
            }
            WorkerFlow::RouteAuthorized { route } => {
                WorkerFlow::ConfigGenerated {
                    config: loop {},
                }
            }
            WorkerFlow::ConfigGenerated { config } => {
                WorkerFlow::ConfigPushed {
                    prefix: loop {},
                    skills: loop {},
                }
            }
            WorkerFlow::ConfigPushed { prefix, skills } => {
                WorkerFlow::Ready {
                    applied: loop {},
                    containers: loop {},
                }
            }
            WorkerFlow::Ready { applied, containers } => WorkerFlow::Requested {},
        }
    }
    impl Requested {
        ///Begins a chain of states.
        #[must_use]
        pub fn start() -> Self {
            Requested {
                made_by_start_of_requested: __Sealed::new(RequestedData {}),
            }
        }
        ///The step to [`AccountRegistered`].
        #[must_use]
        pub fn account_registered(self, user_id: String) -> AccountRegistered {
            AccountRegistered {
                made_by_from_account_registered: __Sealed::new(AccountRegisteredData {
                    user_id,
                }),
            }
        }
    }
    impl __Deref for Requested {
        type Target = RequestedData;
        fn deref(&self) -> &RequestedData {
            &self.made_by_start_of_requested
        }
    }
    impl __State for Requested {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(Requested {
                made_by_start_of_requested: __Sealed::new(RequestedData {}),
            })
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            __Ok(0usize)
        }
    }
    impl AccountRegistered {
        ///The step to [`RoomCreated`].
        #[must_use]
        pub fn room_created(self, room_id: String) -> RoomCreated {
            let __from = self.made_by_from_account_registered.into_inner();
            RoomCreated {
                made_by_from_room_created: __Sealed::new(RoomCreatedData {
                    room_id,
                    user_id: __from.user_id,
                }),
            }
        }
    }
    impl __Deref for AccountRegistered {
        type Target = AccountRegisteredData;
        fn deref(&self) -> &AccountRegisteredData {
            &self.made_by_from_account_registered
        }
    }
    impl __State for AccountRegistered {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(AccountRegistered {
                made_by_from_account_registered: __Sealed::new(AccountRegisteredData {
                    user_id: __Facts::fact::<String>(facts, "user_id")?,
                }),
            })
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("user_id", &self.made_by_from_account_registered.user_id)?;
            __Ok(1usize)
        }
    }
    impl RoomCreated {
        ///The step to [`MembersAdmitted`].
        #[must_use]
        pub fn members_admitted(self) -> MembersAdmitted {
            let __from = self.made_by_from_room_created.into_inner();
            MembersAdmitted {
                made_by_from_members_admitted: __Sealed::new(MembersAdmittedData {
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                }),
            }
        }
    }
    impl __Deref for RoomCreated {
        type Target = RoomCreatedData;
        fn deref(&self) -> &RoomCreatedData {
            &self.made_by_from_room_created
        }
    }
    impl __State for RoomCreated {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(
                __decode::<AccountRegistered>(facts)?
                    .room_created(__Facts::fact::<String>(facts, "room_id")?),
            )
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("room_id", &self.made_by_from_room_created.room_id)?;
            __Ok(2usize)
        }
    }
    impl MembersAdmitted {
        ///The step to [`ConsumerCreated`].
        #[must_use]
        pub fn consumer_created(self, consumer: String) -> ConsumerCreated {
            let __from = self.made_by_from_members_admitted.into_inner();
            ConsumerCreated {
                made_by_from_consumer_created: __Sealed::new(ConsumerCreatedData {
                    consumer,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                }),
            }
        }
    }
    impl __Deref for MembersAdmitted {
        type Target = MembersAdmittedData;
        fn deref(&self) -> &MembersAdmittedData {
            &self.made_by_from_members_admitted
        }
    }
    impl __State for MembersAdmitted {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(__decode::<RoomCreated>(facts)?.members_admitted())
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            __Ok(3usize)
        }
    }
    impl ConsumerCreated {
        ///The step to [`RouteAuthorized`].
        #[must_use]
        pub fn route_authorized(self, route: String) -> RouteAuthorized {
            let __from = self.made_by_from_consumer_created.into_inner();
            RouteAuthorized {
                made_by_from_route_authorized: __Sealed::new(RouteAuthorizedData {
                    route,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                }),
            }
        }
    }
    impl __Deref for ConsumerCreated {
        type Target = ConsumerCreatedData;
        fn deref(&self) -> &ConsumerCreatedData {
            &self.made_by_from_consumer_created
        }
    }
    impl __State for ConsumerCreated {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(
                __decode::<MembersAdmitted>(facts)?
                    .consumer_created(__Facts::fact::<String>(facts, "consumer")?),
            )
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("consumer", &self.made_by_from_consumer_created.consumer)?;
            __Ok(4usize)
        }
    }
    impl RouteAuthorized {
        ///The step to [`ConfigGenerated`].
        #[must_use]
        pub fn config_generated(self, config: String) -> ConfigGenerated {
            let __from = self.made_by_from_route_authorized.into_inner();
            ConfigGenerated {
                made_by_from_config_generated: __Sealed::new(ConfigGeneratedData {
                    config,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                    route: __from.route,
                }),
            }
        }
    }
    impl __Deref for RouteAuthorized {
        type Target = RouteAuthorizedData;
        fn deref(&self) -> &RouteAuthorizedData {
            &self.made_by_from_route_authorized
        }
    }
    impl __State for RouteAuthorized {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(
                __decode::<ConsumerCreated>(facts)?
                    .route_authorized(__Facts::fact::<String>(facts, "route")?),
            )
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("route", &self.made_by_from_route_authorized.route)?;
            __Ok(5usize)
        }
    }
    impl ConfigGenerated {
        ///The step to [`ConfigPushed`].
        #[must_use]
        pub fn config_pushed(self, prefix: String) -> ConfigPushed {
            let __from = self.made_by_from_config_generated.into_inner();
            ConfigPushed {
                made_by_from_config_pushed: __Sealed::new(ConfigPushedData {
                    prefix,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                    route: __from.route,
                    config: __from.config,
                    skills: __Each::new(),
                }),
            }
        }
    }
    impl __Deref for ConfigGenerated {
        type Target = ConfigGeneratedData;
        fn deref(&self) -> &ConfigGeneratedData {
            &self.made_by_from_config_generated
        }
    }
    impl __State for ConfigGenerated {
        fn decode(facts: &__Facts) -> __Read<Self> {
            __Ok(
                __decode::<RouteAuthorized>(facts)?
                    .config_generated(__Facts::fact::<String>(facts, "config")?),
            )
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("config", &self.made_by_from_config_generated.config)?;
            __Ok(6usize)
        }
    }
    impl ConfigPushed {
        ///The step to [`Ready`].
        #[must_use]
        pub fn ready(self, applied: String) -> Ready {
            let __from = self.made_by_from_config_pushed.into_inner();
            Ready {
                made_by_from_ready: __Sealed::new(ReadyData {
                    applied,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                    route: __from.route,
                    config: __from.config,
                    prefix: __from.prefix,
                    skills: __from.skills,
                    containers: __Each::new(),
                }),
            }
        }
    }
    impl __Deref for ConfigPushed {
        type Target = ConfigPushedData;
        fn deref(&self) -> &ConfigPushedData {
            &self.made_by_from_config_pushed
        }
    }
    impl __State for ConfigPushed {
        fn decode(facts: &__Facts) -> __Read<Self> {
            let base = __decode::<ConfigGenerated>(facts)?
                .made_by_from_config_generated
                .into_inner();
            __Ok(ConfigPushed {
                made_by_from_config_pushed: __Sealed::new(ConfigPushedData {
                    user_id: base.user_id,
                    room_id: base.room_id,
                    consumer: base.consumer,
                    route: base.route,
                    config: base.config,
                    prefix: __Facts::fact::<String>(facts, "prefix")?,
                    skills: __Facts::each::<String, String>(facts, "skills")?,
                }),
            })
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("prefix", &self.made_by_from_config_pushed.prefix)?;
            __Ok(7usize)
        }
    }
    impl Ready {
        ///The step to [`Ready`].
        #[must_use]
        pub fn ready(self, applied: String) -> Ready {
            let __from = self.made_by_from_ready.into_inner();
            Ready {
                made_by_from_ready: __Sealed::new(ReadyData {
                    applied,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                    route: __from.route,
                    config: __from.config,
                    prefix: __from.prefix,
                    skills: __from.skills,
                    containers: __from.containers,
                }),
            }
        }
        ///The step to [`Ready`], with the facts as they are.
        #[must_use]
        pub fn ready_again(self) -> Ready {
            let __from = self.made_by_from_ready.into_inner();
            Ready {
                made_by_from_ready: __Sealed::new(ReadyData {
                    applied: __from.applied,
                    user_id: __from.user_id,
                    room_id: __from.room_id,
                    consumer: __from.consumer,
                    route: __from.route,
                    config: __from.config,
                    prefix: __from.prefix,
                    skills: __from.skills,
                    containers: __from.containers,
                }),
            }
        }
    }
    impl __Deref for Ready {
        type Target = ReadyData;
        fn deref(&self) -> &ReadyData {
            &self.made_by_from_ready
        }
    }
    impl __State for Ready {
        fn decode(facts: &__Facts) -> __Read<Self> {
            let base = __decode::<ConfigPushed>(facts)?
                .made_by_from_config_pushed
                .into_inner();
            __Ok(Ready {
                made_by_from_ready: __Sealed::new(ReadyData {
                    user_id: base.user_id,
                    room_id: base.room_id,
                    consumer: base.consumer,
                    route: base.route,
                    config: base.config,
                    prefix: base.prefix,
                    skills: base.skills,
                    applied: __Facts::fact::<String>(facts, "applied")?,
                    containers: __Facts::each::<String, String>(facts, "containers")?,
                }),
            })
        }
        fn add(&self, facts: &mut __Facts) -> __Read<usize> {
            facts.put("applied", &self.made_by_from_ready.applied)?;
            __Ok(8usize)
        }
    }
    impl __Machine for WorkerFlow {
        type Resource = Worker;
        type State = WorkerState;
        const GRAPH: &'static __Graph<'static> = &Self::GRAPH;
        fn state(index: usize, facts: &__Facts) -> __Read<WorkerState> {
            __Ok(
                match index {
                    0usize => WorkerState::Requested(__decode(facts)?),
                    1usize => WorkerState::AccountRegistered(__decode(facts)?),
                    2usize => WorkerState::RoomCreated(__decode(facts)?),
                    3usize => WorkerState::MembersAdmitted(__decode(facts)?),
                    4usize => WorkerState::ConsumerCreated(__decode(facts)?),
                    5usize => WorkerState::RouteAuthorized(__decode(facts)?),
                    6usize => WorkerState::ConfigGenerated(__decode(facts)?),
                    7usize => WorkerState::ConfigPushed(__decode(facts)?),
                    8usize => WorkerState::Ready(__decode(facts)?),
                    _ => return __foreign(),
                },
            )
        }
    }
    impl<T: WorkerTransitions> __Dispatch<T> for WorkerFlow {
        fn run(
            t: __Arc<T>,
            transition: usize,
            call: __Call<Worker>,
        ) -> __Answer<__Reply> {
            match transition {
                0usize => call.effect(t, T::register_account),
                1usize => call.effect(t, T::create_room),
                2usize => call.effect(t, T::admit_members),
                3usize => call.effect(t, T::create_consumer),
                4usize => call.effect(t, T::authorize_route),
                5usize => call.derive(t, T::generate_config),
                6usize => call.effect(t, T::push_config),
                7usize => call.member(t, T::push_skill),
                8usize => call.derive(t, T::enter_service),
                9usize => call.member(t, T::run_container),
                10usize => call.effect(t, T::apply_spec),
                _ => __absent("the transition"),
            }
        }
        fn lookup(
            t: __Arc<T>,
            transition: usize,
            call: __Call<Worker>,
        ) -> __Answer<__Lookup<__Reply>> {
            match transition {
                1usize => call.find(t, T::lookup_create_room),
                9usize => call.find_member(t, T::lookup_run_container),
                _ => __absent("the look-up"),
            }
        }
        fn undo(
            t: __Arc<T>,
            transition: usize,
            call: __Call<Worker>,
        ) -> __Answer<__Undone> {
            match transition {
                0usize => call.undo(t, T::sign_out),
                1usize => call.undo(t, T::close_room),
                3usize => call.undo(t, T::delete_consumer),
                4usize => call.undo(t, T::deauthorize_route),
                6usize => call.undo(t, T::remove_config),
                7usize => call.undo_member(t, T::remove_skill),
                9usize => call.undo_member(t, T::stop_container),
                _ => __absent("the undo"),
            }
        }
        fn abort(
            t: __Arc<T>,
            transition: usize,
            call: __Call<Worker>,
        ) -> __Answer<__Undone> {
            match transition {
                1usize => call.undo(t, T::clear_rooms),
                9usize => call.abort_member(t, T::clear_containers),
                _ => __absent("the abort"),
            }
        }
        fn guard(
            t: &T,
            state: usize,
            transition: usize,
            facts: &__Facts,
            resource: &Worker,
        ) -> __Read<bool> {
            __Ok(
                match transition {
                    10usize => t.spec_changed(&__decode(facts)?, resource),
                    _ => true,
                },
            )
        }
        fn wanted(
            t: &T,
            transition: usize,
            facts: &__Facts,
            resource: &Worker,
        ) -> __Read<__BTreeSet<__String>> {
            match transition {
                7usize => __subjects(t.skills(&__decode(facts)?, resource)),
                9usize => __subjects(t.containers(&__decode(facts)?, resource)),
                _ => __Ok(__BTreeSet::new()),
            }
        }
    }
};
impl WorkerFlow {
    ///The graph: states, edges and contracts, as declared.
    pub const GRAPH: ::durable_fsm::__private::graph::Graph<'static> = {
        use ::durable_fsm::__private::graph::written::*;
        Graph {
            name: "hiclaw.io/worker",
            title: "WorkerFlow",
            version: 1u32,
            reader: 1u32,
            doc: "Provisions one worker: account, room, gateway access, configuration, skills, container.",
            undo_on_rejected: false,
            upgrades: &[],
            states: &[
                state(
                    "Requested",
                    "Nothing exists yet.",
                    PASSING + INITIAL,
                    &[],
                    &[],
                    &[0usize],
                ),
                state(
                    "AccountRegistered",
                    "The worker has a Matrix account. Its id stays taken forever, so the account stays, and is signed out.",
                    PASSING,
                    &[fact("user_id", "String", "The full Matrix id.")],
                    &["user_id"],
                    &[1usize],
                ),
                state(
                    "RoomCreated",
                    "The worker has its room, and nobody but the administrator is in it. Admitting somebody who is a member already changes nothing, so this may be repeated.",
                    PASSING,
                    &[
                        fact(
                            "room_id",
                            "String",
                            "The room's id, which the server chose.",
                        ),
                    ],
                    &["user_id", "room_id"],
                    &[2usize],
                ),
                state(
                    "MembersAdmitted",
                    "The worker is in its room, and the manager is invited.",
                    PASSING,
                    &[],
                    &["user_id", "room_id"],
                    &[3usize],
                ),
                state(
                    "ConsumerCreated",
                    "The gateway knows the worker's key.",
                    PASSING,
                    &[fact("consumer", "String", "The consumer's name.")],
                    &["user_id", "room_id", "consumer"],
                    &[4usize],
                ),
                state(
                    "RouteAuthorized",
                    "The worker may use the AI route.",
                    PASSING,
                    &[fact("route", "String", "The route that allows it.")],
                    &["user_id", "room_id", "consumer", "route"],
                    &[5usize],
                ),
                state(
                    "ConfigGenerated",
                    "The configuration is made; its secrets are added when it is pushed.",
                    PASSING,
                    &[
                        fact(
                            "config",
                            "String",
                            "A digest of what the configuration depends on.",
                        ),
                    ],
                    &["user_id", "room_id", "consumer", "route", "config"],
                    &[6usize],
                ),
                state(
                    "ConfigPushed",
                    "The configuration is in the store; skills are pushed one by one.",
                    PASSING,
                    &[
                        fact("prefix", "String", "Where the worker's objects lie."),
                        set("skills", "Each<String,String>", "The object of each skill."),
                    ],
                    &[
                        "user_id",
                        "room_id",
                        "consumer",
                        "route",
                        "config",
                        "prefix",
                        "skills",
                    ],
                    &[7usize, 8usize],
                ),
                state(
                    "Ready",
                    "The container runs. Rests here until the spec changes.",
                    RESTING,
                    &[
                        fact(
                            "applied",
                            "String",
                            "The digest of the configuration that was pushed last.",
                        ),
                        set(
                            "containers",
                            "Each<String,String>",
                            "The container's id, by the digest of its configuration.",
                        ),
                    ],
                    &[
                        "user_id",
                        "room_id",
                        "consumer",
                        "route",
                        "config",
                        "prefix",
                        "skills",
                        "applied",
                        "containers",
                    ],
                    &[7usize, 9usize, 10usize],
                ),
            ],
            transitions: &[
                effect(
                    "register_account",
                    0usize,
                    &[1usize],
                    None,
                    contract(REPEAT, by("sign_out"), None, [30000, 10000, 1000, 300000]),
                ),
                effect(
                    "create_room",
                    1usize,
                    &[2usize],
                    None,
                    contract(
                        LOOKUP,
                        by("close_room"),
                        Some("clear_rooms"),
                        [30000, 10000, 1000, 300000],
                    ),
                ),
                effect(
                    "admit_members",
                    2usize,
                    &[3usize],
                    None,
                    contract(REPEAT, NOTHING, None, [30000, 10000, 1000, 300000]),
                ),
                effect(
                    "create_consumer",
                    3usize,
                    &[4usize],
                    None,
                    contract(
                        REPEAT,
                        by("delete_consumer"),
                        None,
                        [30000, 10000, 1000, 300000],
                    ),
                ),
                effect(
                    "authorize_route",
                    4usize,
                    &[5usize],
                    None,
                    contract(
                        REPEAT,
                        by("deauthorize_route"),
                        None,
                        [30000, 10000, 1000, 300000],
                    ),
                ),
                no_effect("generate_config", 5usize, &[6usize], None),
                effect(
                    "push_config",
                    6usize,
                    &[7usize],
                    None,
                    contract(
                        REPEAT,
                        by("remove_config"),
                        None,
                        [30000, 10000, 1000, 300000],
                    ),
                ),
                effect(
                    "push_skill",
                    7usize,
                    &[],
                    None,
                    contract(
                            REPEAT,
                            by("remove_skill"),
                            None,
                            [30000, 10000, 1000, 300000],
                        )
                        .each(members("skills")),
                ),
                no_effect("enter_service", 7usize, &[8usize], None),
                effect(
                    "run_container",
                    8usize,
                    &[],
                    None,
                    contract(
                            LOOKUP,
                            by("stop_container"),
                            Some("clear_containers"),
                            [30000, 10000, 1000, 300000],
                        )
                        .each(members("containers").surge(0u32)),
                ),
                effect(
                    "apply_spec",
                    8usize,
                    &[8usize],
                    Some("spec_changed"),
                    contract(REPEAT, NOTHING, None, [30000, 10000, 1000, 300000]),
                ),
            ],
        }
    };
}
