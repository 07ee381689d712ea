-- Each input with its class: the first label of its first annotation, or that of its path.
select input.path, pictures is not null as is_sequence, coalesce(annotation.labels[1], label) as label
from input left join annotation on annotation.path = input.path and annotation.segment = 0
