{{ config(materialized='table', dist='id', sort='id') }}
select id, count(*) as n from {{ ref('days') }} group by 1
