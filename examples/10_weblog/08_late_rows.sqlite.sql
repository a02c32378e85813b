SELECT grace, kept, late FROM late
