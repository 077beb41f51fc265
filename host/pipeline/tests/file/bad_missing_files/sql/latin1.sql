select 'grφίe'
