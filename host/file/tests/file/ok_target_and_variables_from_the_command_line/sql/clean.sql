select * from flights where dep_delay is not null
