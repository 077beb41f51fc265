{{ config(materialized='incremental', unique_key='id') }}
select id, name from {{ ref('days') }}
{% if is_incremental() %} where id > 1 {% endif %}
