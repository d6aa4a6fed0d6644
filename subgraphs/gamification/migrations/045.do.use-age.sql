-- Uses of rules are forgotten by their day.
create index rule_use_age on gamification.rule_use using brin (day);
