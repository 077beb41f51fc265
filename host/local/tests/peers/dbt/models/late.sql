{{ config(bind=False) }}
select id from {{ ref('counts') }}
