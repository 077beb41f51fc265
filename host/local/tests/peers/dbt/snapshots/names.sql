{% snapshot names %}
{{ config(target_schema='peers', unique_key='id', strategy='check', check_cols=['name']) }}
select id, name from {{ ref('replaced') }}
{% endsnapshot %}
