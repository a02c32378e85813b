SELECT bound, kept, late FROM late
