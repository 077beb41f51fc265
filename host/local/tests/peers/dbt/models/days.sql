select id, name, day from {{ ref('people') }}
