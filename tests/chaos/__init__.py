"""Jobs on sick machines: whatever goes wrong at random, the data set comes out as in calm."""
