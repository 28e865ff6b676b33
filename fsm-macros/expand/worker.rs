// Written by the derive; see `src/expand.rs`.

const _: () = {
    #[allow(
        dead_code,
        unreachable_code,
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
                let _ = user_id;
                WorkerFlow::RoomCreated {
                    room_id: loop {},
                }
            }
            WorkerFlow::RoomCreated { room_id } => {
                let _ = room_id;
                WorkerFlow::ConsumerCreated {
                    consumer: loop {},
                }
            }
            WorkerFlow::ConsumerCreated { consumer } => {
                let _ = consumer;
                WorkerFlow::RouteAuthorized {
                    route: loop {},
                }
            }
            WorkerFlow::RouteAuthorized { route } => {
                let _ = route;
                WorkerFlow::ConfigGenerated {
                    config: loop {},
                }
            }
            WorkerFlow::ConfigGenerated { config } => {
                let _ = config;
                WorkerFlow::ConfigPushed {
                    prefix: loop {},
                    skills: loop {},
                }
            }
            WorkerFlow::ConfigPushed { prefix, skills } => {
                let _ = prefix;
                let _ = skills;
                WorkerFlow::Ready {
                    applied: loop {},
                    containers: loop {},
                }
            }
            WorkerFlow::Ready { applied, containers } => {
                let _ = applied;
                let _ = containers;
                WorkerFlow::Requested {}
            }
        }
    }
};
///Nothing exists yet.
pub struct Requested(::durable_fsm::__private::Sealed<RequestedData>);
///What is known in [`Requested`]; read through it.
#[allow(dead_code)]
pub struct RequestedData {}
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl Requested {
    ///Begins a chain of states.
    #[must_use]
    pub fn start() -> Self {
        Self(::durable_fsm::__private::Sealed::new(RequestedData {}))
    }
    ///The step to [`AccountRegistered`].
    #[must_use]
    pub fn account_registered(self, user_id: String) -> AccountRegistered {
        let from = self.0.into_inner();
        AccountRegistered(
            ::durable_fsm::__private::Sealed::new(AccountRegisteredData { user_id }),
        )
    }
}
///The worker has a Matrix account. The id stays taken for ever, so the account is retained.
pub struct AccountRegistered(::durable_fsm::__private::Sealed<AccountRegisteredData>);
///What is known in [`AccountRegistered`]; read through it.
#[allow(dead_code)]
pub struct AccountRegisteredData {
    ///The full Matrix id.
    pub user_id: String,
}
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl AccountRegistered {
    ///The step to [`RoomCreated`].
    #[must_use]
    pub fn room_created(self, room_id: String) -> RoomCreated {
        let from = self.0.into_inner();
        RoomCreated(
            ::durable_fsm::__private::Sealed::new(RoomCreatedData {
                user_id: from.user_id,
                room_id,
            }),
        )
    }
}
///The worker has its room.
pub struct RoomCreated(::durable_fsm::__private::Sealed<RoomCreatedData>);
///What is known in [`RoomCreated`]; read through it.
#[allow(dead_code)]
pub struct RoomCreatedData {
    ///The full Matrix id.
    pub user_id: String,
    ///The room's id, which the server chose.
    pub room_id: String,
}
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl RoomCreated {
    ///The step to [`ConsumerCreated`].
    #[must_use]
    pub fn consumer_created(self, consumer: String) -> ConsumerCreated {
        let from = self.0.into_inner();
        ConsumerCreated(
            ::durable_fsm::__private::Sealed::new(ConsumerCreatedData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer,
            }),
        )
    }
}
///The gateway knows the worker's key.
pub struct ConsumerCreated(::durable_fsm::__private::Sealed<ConsumerCreatedData>);
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
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl ConsumerCreated {
    ///The step to [`RouteAuthorized`].
    #[must_use]
    pub fn route_authorized(self, route: String) -> RouteAuthorized {
        let from = self.0.into_inner();
        RouteAuthorized(
            ::durable_fsm::__private::Sealed::new(RouteAuthorizedData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer: from.consumer,
                route,
            }),
        )
    }
}
///The worker may use the AI route.
pub struct RouteAuthorized(::durable_fsm::__private::Sealed<RouteAuthorizedData>);
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
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl RouteAuthorized {
    ///The step to [`ConfigGenerated`].
    #[must_use]
    pub fn config_generated(self, config: String) -> ConfigGenerated {
        let from = self.0.into_inner();
        ConfigGenerated(
            ::durable_fsm::__private::Sealed::new(ConfigGeneratedData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer: from.consumer,
                route: from.route,
                config,
            }),
        )
    }
}
///The configuration is made; its secrets are added when it is pushed.
pub struct ConfigGenerated(::durable_fsm::__private::Sealed<ConfigGeneratedData>);
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
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl ConfigGenerated {
    ///The step to [`ConfigPushed`].
    #[must_use]
    pub fn config_pushed(self, prefix: String) -> ConfigPushed {
        let from = self.0.into_inner();
        ConfigPushed(
            ::durable_fsm::__private::Sealed::new(ConfigPushedData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer: from.consumer,
                route: from.route,
                config: from.config,
                prefix,
                skills: ::durable_fsm::__private::Each::new(),
            }),
        )
    }
}
///The configuration is in the store; skills are pushed one by one.
pub struct ConfigPushed(::durable_fsm::__private::Sealed<ConfigPushedData>);
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
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl ConfigPushed {
    ///The step to [`Ready`].
    #[must_use]
    pub fn ready(self, applied: String) -> Ready {
        let from = self.0.into_inner();
        Ready(
            ::durable_fsm::__private::Sealed::new(ReadyData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer: from.consumer,
                route: from.route,
                config: from.config,
                prefix: from.prefix,
                skills: from.skills,
                applied,
                containers: ::durable_fsm::__private::Each::new(),
            }),
        )
    }
}
///The container runs. Rests here until the spec changes.
pub struct Ready(::durable_fsm::__private::Sealed<ReadyData>);
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
    ///The container's id, by image and configuration.
    pub containers: Each<String, String>,
}
#[allow(
    dead_code,
    unused_variables,
    clippy::must_use_candidate,
    clippy::too_many_arguments
)]
impl Ready {
    ///The step to [`Ready`].
    #[must_use]
    pub fn ready(self, applied: String) -> Ready {
        let from = self.0.into_inner();
        Ready(
            ::durable_fsm::__private::Sealed::new(ReadyData {
                user_id: from.user_id,
                room_id: from.room_id,
                consumer: from.consumer,
                route: from.route,
                config: from.config,
                prefix: from.prefix,
                skills: from.skills,
                applied,
                containers: from.containers,
            }),
        )
    }
}
///Where a resource of [`WorkerFlow`] is.
#[allow(dead_code, clippy::large_enum_variant)]
pub enum WorkerState {
    ///Nothing exists yet.
    Requested(Requested),
    ///The worker has a Matrix account. The id stays taken for ever, so the account is retained.
    AccountRegistered(AccountRegistered),
    ///The worker has its room.
    RoomCreated(RoomCreated),
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
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<AccountRegistered, Self::Error>,
    > + ::core::marker::Send;
    ///The step from AccountRegistered.
    fn create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<RoomCreated, Self::Error>,
    > + ::core::marker::Send;
    ///Asks the provider whether what `create_room` makes is there.
    fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<
            ::durable_fsm::__private::Lookup<RoomCreated>,
            Self::Error,
        >,
    > + ::core::marker::Send;
    ///Undoes what `create_room` made. Finding nothing is success.
    fn close_room(
        &self,
        made: &RoomCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
    ///Removes whatever an attempt at `create_room` may have made. Finding nothing is success.
    fn clear_rooms(
        &self,
        from: &AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
    ///The step from RoomCreated.
    fn create_consumer(
        &self,
        from: RoomCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<ConsumerCreated, Self::Error>,
    > + ::core::marker::Send;
    ///Undoes what `create_consumer` made. Finding nothing is success.
    fn delete_consumer(
        &self,
        made: &ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
    ///The step from ConsumerCreated.
    fn authorize_route(
        &self,
        from: ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<RouteAuthorized, Self::Error>,
    > + ::core::marker::Send;
    ///Undoes what `authorize_route` made. Finding nothing is success.
    fn deauthorize_route(
        &self,
        made: &RouteAuthorized,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
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
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<ConfigPushed, Self::Error>,
    > + ::core::marker::Send;
    ///Undoes what `push_config` made. Finding nothing is success.
    fn remove_config(
        &self,
        made: &ConfigPushed,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
    ///Makes one member of the set, in ConfigPushed.
    fn push_skill(
        &self,
        at: &ConfigPushed,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<String, Self::Error>,
    > + ::core::marker::Send;
    ///Undoes what `push_skill` made. Finding nothing is success.
    fn remove_skill(
        &self,
        at: &ConfigPushed,
        subject: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
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
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<String, Self::Error>,
    > + ::core::marker::Send;
    ///Asks the provider whether what `run_container` makes is there.
    fn lookup_run_container(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<
            ::durable_fsm::__private::Lookup<String>,
            Self::Error,
        >,
    > + ::core::marker::Send;
    ///Undoes what `run_container` made. Finding nothing is success.
    fn stop_container(
        &self,
        at: &Ready,
        subject: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
    ///Removes whatever an attempt at `run_container` may have made. Finding nothing is success.
    fn clear_containers(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<(), Self::Error>,
    > + ::core::marker::Send;
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
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<Ready, Self::Error>,
    > + ::core::marker::Send;
    ///Whether `apply_spec` is to run: what is recorded against what is wanted.
    fn spec_changed(&self, at: &Ready, resource: &Worker) -> bool;
}
#[allow(unused_variables, clippy::match_single_binding)]
const _: () = {
    use ::durable_fsm::__private as __fsm;
    impl __fsm::Deref for Requested {
        type Target = RequestedData;
        fn deref(&self) -> &RequestedData {
            &self.0
        }
    }
    impl __fsm::State for Requested {
        type Machine = WorkerFlow;
        const INDEX: usize = 0usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(Self(__fsm::Sealed::new(RequestedData {})))
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for AccountRegistered {
        type Target = AccountRegisteredData;
        fn deref(&self) -> &AccountRegisteredData {
            &self.0
        }
    }
    impl __fsm::State for AccountRegistered {
        type Machine = WorkerFlow;
        const INDEX: usize = 1usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(AccountRegisteredData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("user_id", &self.0.user_id)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for RoomCreated {
        type Target = RoomCreatedData;
        fn deref(&self) -> &RoomCreatedData {
            &self.0
        }
    }
    impl __fsm::State for RoomCreated {
        type Machine = WorkerFlow;
        const INDEX: usize = 2usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(RoomCreatedData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("room_id", &self.0.room_id)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for ConsumerCreated {
        type Target = ConsumerCreatedData;
        fn deref(&self) -> &ConsumerCreatedData {
            &self.0
        }
    }
    impl __fsm::State for ConsumerCreated {
        type Machine = WorkerFlow;
        const INDEX: usize = 3usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(ConsumerCreatedData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                        consumer: __fsm::Facts::get::<String>(facts, "consumer")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("consumer", &self.0.consumer)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for RouteAuthorized {
        type Target = RouteAuthorizedData;
        fn deref(&self) -> &RouteAuthorizedData {
            &self.0
        }
    }
    impl __fsm::State for RouteAuthorized {
        type Machine = WorkerFlow;
        const INDEX: usize = 4usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(RouteAuthorizedData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                        consumer: __fsm::Facts::get::<String>(facts, "consumer")?,
                        route: __fsm::Facts::get::<String>(facts, "route")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("route", &self.0.route)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for ConfigGenerated {
        type Target = ConfigGeneratedData;
        fn deref(&self) -> &ConfigGeneratedData {
            &self.0
        }
    }
    impl __fsm::State for ConfigGenerated {
        type Machine = WorkerFlow;
        const INDEX: usize = 5usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(ConfigGeneratedData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                        consumer: __fsm::Facts::get::<String>(facts, "consumer")?,
                        route: __fsm::Facts::get::<String>(facts, "route")?,
                        config: __fsm::Facts::get::<String>(facts, "config")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("config", &self.0.config)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for ConfigPushed {
        type Target = ConfigPushedData;
        fn deref(&self) -> &ConfigPushedData {
            &self.0
        }
    }
    impl __fsm::State for ConfigPushed {
        type Machine = WorkerFlow;
        const INDEX: usize = 6usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(ConfigPushedData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                        consumer: __fsm::Facts::get::<String>(facts, "consumer")?,
                        route: __fsm::Facts::get::<String>(facts, "route")?,
                        config: __fsm::Facts::get::<String>(facts, "config")?,
                        prefix: __fsm::Facts::get::<String>(facts, "prefix")?,
                        skills: __fsm::Facts::each::<String, String>(facts, "skills")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("prefix", &self.0.prefix)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Deref for Ready {
        type Target = ReadyData;
        fn deref(&self) -> &ReadyData {
            &self.0
        }
    }
    impl __fsm::State for Ready {
        type Machine = WorkerFlow;
        const INDEX: usize = 7usize;
        fn decode(facts: &__fsm::Facts) -> __fsm::Result<Self, __fsm::FactError> {
            __fsm::Ok(
                Self(
                    __fsm::Sealed::new(ReadyData {
                        user_id: __fsm::Facts::get::<String>(facts, "user_id")?,
                        room_id: __fsm::Facts::get::<String>(facts, "room_id")?,
                        consumer: __fsm::Facts::get::<String>(facts, "consumer")?,
                        route: __fsm::Facts::get::<String>(facts, "route")?,
                        config: __fsm::Facts::get::<String>(facts, "config")?,
                        prefix: __fsm::Facts::get::<String>(facts, "prefix")?,
                        skills: __fsm::Facts::each::<String, String>(facts, "skills")?,
                        applied: __fsm::Facts::get::<String>(facts, "applied")?,
                        containers: __fsm::Facts::each::<
                            String,
                            String,
                        >(facts, "containers")?,
                    }),
                ),
            )
        }
        fn add(&self, facts: &mut __fsm::Facts) -> __fsm::Result<(), __fsm::FactError> {
            facts.put("applied", &self.0.applied)?;
            __fsm::Ok(())
        }
    }
    impl __fsm::Machine for WorkerFlow {
        type Resource = Worker;
        type State = WorkerState;
        const GRAPH: &'static __fsm::graph::Graph<'static> = &Self::GRAPH;
        fn state(
            index: usize,
            facts: &__fsm::Facts,
        ) -> __fsm::Result<WorkerState, __fsm::FactError> {
            __fsm::Ok(
                match index {
                    0usize => WorkerState::Requested(__fsm::decode(facts)?),
                    1usize => WorkerState::AccountRegistered(__fsm::decode(facts)?),
                    2usize => WorkerState::RoomCreated(__fsm::decode(facts)?),
                    3usize => WorkerState::ConsumerCreated(__fsm::decode(facts)?),
                    4usize => WorkerState::RouteAuthorized(__fsm::decode(facts)?),
                    5usize => WorkerState::ConfigGenerated(__fsm::decode(facts)?),
                    6usize => WorkerState::ConfigPushed(__fsm::decode(facts)?),
                    7usize => WorkerState::Ready(__fsm::decode(facts)?),
                    _ => {
                        return __fsm::Err(
                            __fsm::FactError::Foreign(__fsm::String::from("the state")),
                        );
                    }
                },
            )
        }
    }
    impl<T: WorkerTransitions> __fsm::Dispatch<T> for WorkerFlow {
        fn run(
            t: __fsm::Arc<T>,
            transition: usize,
            call: __fsm::Call<Worker>,
        ) -> __fsm::Boxed<__fsm::Result<__fsm::Reply, __fsm::Failure>> {
            match transition {
                0usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.register_account(from, attempt),
                        ),
                    )
                }
                1usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.create_room(from, attempt),
                        ),
                    )
                }
                2usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.create_consumer(from, attempt),
                        ),
                    )
                }
                3usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.authorize_route(from, attempt),
                        ),
                    )
                }
                4usize => {
                    call.derive(
                        &*t,
                        |t: &T, from, attempt| t.generate_config(from, attempt),
                    )
                }
                5usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.push_config(from, attempt),
                        ),
                    )
                }
                6usize => {
                    call.member(
                        t,
                        |t: &T, at, subject, attempt| __fsm::Box::pin(
                            t.push_skill(at, subject, attempt),
                        ),
                    )
                }
                7usize => {
                    call.derive(
                        &*t,
                        |t: &T, from, attempt| t.enter_service(from, attempt),
                    )
                }
                8usize => {
                    call.member(
                        t,
                        |t: &T, at, subject, attempt| __fsm::Box::pin(
                            t.run_container(at, subject, attempt),
                        ),
                    )
                }
                9usize => {
                    call.effect(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.apply_spec(from, attempt),
                        ),
                    )
                }
                _ => __fsm::absent("the transition"),
            }
        }
        fn lookup(
            t: __fsm::Arc<T>,
            transition: usize,
            call: __fsm::Call<Worker>,
        ) -> __fsm::Boxed<__fsm::Result<__fsm::Lookup<__fsm::Reply>, __fsm::Failure>> {
            match transition {
                1usize => {
                    call.find(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.lookup_create_room(from, attempt),
                        ),
                    )
                }
                8usize => {
                    call.find_member(
                        t,
                        |t: &T, at, subject, attempt| __fsm::Box::pin(
                            t.lookup_run_container(at, subject, attempt),
                        ),
                    )
                }
                _ => __fsm::absent("the look-up"),
            }
        }
        fn undo(
            t: __fsm::Arc<T>,
            transition: usize,
            call: __fsm::Call<Worker>,
        ) -> __fsm::Boxed<__fsm::Result<(), __fsm::Failure>> {
            match transition {
                1usize => {
                    call.undo(
                        t,
                        |t: &T, made, attempt| __fsm::Box::pin(
                            t.close_room(made, attempt),
                        ),
                    )
                }
                2usize => {
                    call.undo(
                        t,
                        |t: &T, made, attempt| __fsm::Box::pin(
                            t.delete_consumer(made, attempt),
                        ),
                    )
                }
                3usize => {
                    call.undo(
                        t,
                        |t: &T, made, attempt| __fsm::Box::pin(
                            t.deauthorize_route(made, attempt),
                        ),
                    )
                }
                5usize => {
                    call.undo(
                        t,
                        |t: &T, made, attempt| __fsm::Box::pin(
                            t.remove_config(made, attempt),
                        ),
                    )
                }
                6usize => {
                    call.undo_member(
                        t,
                        |t: &T, at, subject, made, attempt| __fsm::Box::pin(
                            t.remove_skill(at, subject, made, attempt),
                        ),
                    )
                }
                8usize => {
                    call.undo_member(
                        t,
                        |t: &T, at, subject, made, attempt| __fsm::Box::pin(
                            t.stop_container(at, subject, made, attempt),
                        ),
                    )
                }
                _ => __fsm::absent("the undo"),
            }
        }
        fn abort(
            t: __fsm::Arc<T>,
            transition: usize,
            call: __fsm::Call<Worker>,
        ) -> __fsm::Boxed<__fsm::Result<(), __fsm::Failure>> {
            match transition {
                1usize => {
                    call.undo(
                        t,
                        |t: &T, from, attempt| __fsm::Box::pin(
                            t.clear_rooms(from, attempt),
                        ),
                    )
                }
                8usize => {
                    call.abort_member(
                        t,
                        |t: &T, at, subject, attempt| __fsm::Box::pin(
                            t.clear_containers(at, subject, attempt),
                        ),
                    )
                }
                _ => __fsm::absent("the abort"),
            }
        }
        fn guard(
            t: &T,
            transition: usize,
            facts: &__fsm::Facts,
            resource: &Worker,
        ) -> __fsm::Result<bool, __fsm::FactError> {
            __fsm::Ok(
                match transition {
                    9usize => t.spec_changed(&__fsm::decode(facts)?, resource),
                    _ => true,
                },
            )
        }
        fn wanted(
            t: &T,
            transition: usize,
            facts: &__fsm::Facts,
            resource: &Worker,
        ) -> __fsm::Result<__fsm::BTreeSet<__fsm::String>, __fsm::FactError> {
            match transition {
                6usize => __fsm::subjects(t.skills(&__fsm::decode(facts)?, resource)),
                8usize => __fsm::subjects(t.containers(&__fsm::decode(facts)?, resource)),
                _ => __fsm::Ok(__fsm::BTreeSet::new()),
            }
        }
    }
};
impl WorkerFlow {
    ///The graph: states, edges and contracts, as declared.
    pub const GRAPH: ::durable_fsm::__private::graph::Graph<'static> = {
        use ::durable_fsm::__private::graph as g;
        g::Graph {
            name: "hiclaw.io/worker",
            title: "WorkerFlow",
            version: 1u32,
            reader: 1u32,
            doc: "Provisions one worker: account, room, gateway access, configuration, skills, container.",
            undo_on_rejected: false,
            states: &[
                g::State::of(
                    "Requested",
                    "Nothing exists yet.",
                    true,
                    g::Rest::Passing,
                    false,
                    &[],
                    &[],
                    &[0usize],
                ),
                g::State::of(
                    "AccountRegistered",
                    "The worker has a Matrix account. The id stays taken for ever, so the account is retained.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[g::Fact::of("user_id", "String", "The full Matrix id.", false)],
                    &["user_id"],
                    &[1usize],
                ),
                g::State::of(
                    "RoomCreated",
                    "The worker has its room.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[
                        g::Fact::of(
                            "room_id",
                            "String",
                            "The room's id, which the server chose.",
                            false,
                        ),
                    ],
                    &["user_id", "room_id"],
                    &[2usize],
                ),
                g::State::of(
                    "ConsumerCreated",
                    "The gateway knows the worker's key.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[g::Fact::of("consumer", "String", "The consumer's name.", false)],
                    &["user_id", "room_id", "consumer"],
                    &[3usize],
                ),
                g::State::of(
                    "RouteAuthorized",
                    "The worker may use the AI route.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[
                        g::Fact::of(
                            "route",
                            "String",
                            "The route that allows it.",
                            false,
                        ),
                    ],
                    &["user_id", "room_id", "consumer", "route"],
                    &[4usize],
                ),
                g::State::of(
                    "ConfigGenerated",
                    "The configuration is made; its secrets are added when it is pushed.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[
                        g::Fact::of(
                            "config",
                            "String",
                            "A digest of what the configuration depends on.",
                            false,
                        ),
                    ],
                    &["user_id", "room_id", "consumer", "route", "config"],
                    &[5usize],
                ),
                g::State::of(
                    "ConfigPushed",
                    "The configuration is in the store; skills are pushed one by one.",
                    false,
                    g::Rest::Passing,
                    false,
                    &[
                        g::Fact::of(
                            "prefix",
                            "String",
                            "Where the worker's objects lie.",
                            false,
                        ),
                        g::Fact::of(
                            "skills",
                            "Each<String,String>",
                            "The object of each skill.",
                            true,
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
                    ],
                    &[6usize, 7usize],
                ),
                g::State::of(
                    "Ready",
                    "The container runs. Rests here until the spec changes.",
                    false,
                    g::Rest::Resting,
                    false,
                    &[
                        g::Fact::of(
                            "applied",
                            "String",
                            "The digest of the configuration that was pushed last.",
                            false,
                        ),
                        g::Fact::of(
                            "containers",
                            "Each<String,String>",
                            "The container's id, by image and configuration.",
                            true,
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
                    &[8usize, 9usize, 6usize],
                ),
            ],
            transitions: &[
                g::Transition::of(
                    "register_account",
                    0usize,
                    &[1usize],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::Retain,
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
                g::Transition::of(
                    "create_room",
                    1usize,
                    &[2usize],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Lookup,
                            g::Undo::Method("close_room"),
                            ::core::option::Option::Some("clear_rooms"),
                            [2000, 500, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
                g::Transition::of(
                    "create_consumer",
                    2usize,
                    &[3usize],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::Method("delete_consumer"),
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
                g::Transition::of(
                    "authorize_route",
                    3usize,
                    &[4usize],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::Method("deauthorize_route"),
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
                g::Transition::of(
                    "generate_config",
                    4usize,
                    &[5usize],
                    ::core::option::Option::None,
                    g::Kind::NoEffect,
                ),
                g::Transition::of(
                    "push_config",
                    5usize,
                    &[6usize],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::Method("remove_config"),
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
                g::Transition::of(
                    "push_skill",
                    6usize,
                    &[],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::Method("remove_skill"),
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::Some(g::ForEach {
                                fact: "skills",
                                order: g::Order::MakeFirst,
                            }),
                        ),
                    ),
                ),
                g::Transition::of(
                    "enter_service",
                    6usize,
                    &[7usize],
                    ::core::option::Option::None,
                    g::Kind::NoEffect,
                ),
                g::Transition::of(
                    "run_container",
                    7usize,
                    &[],
                    ::core::option::Option::None,
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Lookup,
                            g::Undo::Method("stop_container"),
                            ::core::option::Option::Some("clear_containers"),
                            [2000, 500, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::Some(g::ForEach {
                                fact: "containers",
                                order: g::Order::UndoFirst,
                            }),
                        ),
                    ),
                ),
                g::Transition::of(
                    "apply_spec",
                    7usize,
                    &[7usize],
                    ::core::option::Option::Some("spec_changed"),
                    g::Kind::Effect(
                        g::Contract::of(
                            g::InDoubt::Repeat,
                            g::Undo::None,
                            ::core::option::Option::None,
                            [2000, 0, 200, 300000],
                            true,
                            g::Predecessor::Hold,
                            ::core::option::Option::None,
                        ),
                    ),
                ),
            ],
        }
    };
}
