SELECT 1;
begin immediate;
SELECT 2;
